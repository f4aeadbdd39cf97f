"""Names of what a project declares."""

from __future__ import annotations

from tropism.core.errors import Fault

MOST = 64
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


def name_faults(field: str, name: object, *, column: bool = False) -> list[Fault]:
    """What is wrong with a name; `column`: of a column in somebody's data, which may be any text.

    >>> name_faults("name", "spend"), name_faults("name", "Spend!")[0].fix
    ([], "use 1 to 64 of a-z, 0-9 and '_'")
    """
    if not isinstance(name, str):
        return [Fault(field, repr(name)[:80], "a name is text in quotes")]
    if column:
        return (
            [] if 0 < len(name) <= 256 else [Fault(field, repr(name[:80]), "a column's name has 1 to 256 characters")]
        )
    good = 0 < len(name) <= MOST and not set(name) - _LETTERS
    return [] if good else [Fault(field, repr(name[:80]), f"use 1 to {MOST} of a-z, 0-9 and '_'")]
