"""Short names of decisions: a part of an id that no other id has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry

PARTS = (slice(14, 23), slice(9, 23))
"""Parts of an id that may do for it, the shortest first: one process gives ids that differ by their time alone."""


def short_name(registry: Registry, decision_id: str) -> str:
    """The shortest part of an id by which `tropism decisions show` finds it and no other; else all of it."""
    return shortest(decision_id, lambda part: registry.decisions.count(part) == 1)


def shortest(decision_id: str, alone: Callable[[str], bool]) -> str:
    """The first part of an id that is `alone`, else all of it.

    >>> shortest("01a1fd96-3cce-735a-adfe-9af284ad6ac5", lambda part: part != "735a-adfe")
    '3cce-735a-adfe'
    """
    return next((decision_id[part] for part in PARTS if alone(decision_id[part])), decision_id)
