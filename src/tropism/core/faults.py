"""Collects everything that is wrong with what was sent, so that its sender learns it all at once."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InputError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 50
"""Faults that one error lists; the rest are counted."""


class Faults:
    """Faults met so far.

    >>> from tropism.core.errors import MissingFeature
    >>> faults = Faults()
    >>> faults.add(MissingFeature, "feature 'demand' is missing", "features.demand", "", "send a number")
    >>> try:
    ...     faults.check()
    ... except MissingFeature as error:
    ...     print(error.message)
    feature 'demand' is missing
    """

    def __init__(self) -> None:
        self._headline = ""
        self._faults: list[Fault] = []
        self._classes: set[type[InputError]] = set()
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    @property
    def full(self) -> bool:
        """Whether more faults would only be counted, so that looking for their remedies is wasted."""
        return self._count >= MOST

    def add(self, error: type[InputError], headline: str, field: str, value: str, fix: str) -> None:
        """Notes one fault; `headline` says in a sentence what is wrong."""
        self._count += 1
        self._headline = self._headline or headline
        self._classes.add(error)
        if len(self._faults) < MOST:
            self._faults.append(Fault(field, value, fix))

    def skip(self) -> None:
        """Counts one more fault, which is not listed."""
        self._count += 1

    def check(self) -> None:
        """Raises one error for all faults: of their class if they share one, else `InvalidInput`."""
        if not self._count:
            return
        error = self._classes.pop() if len(self._classes) == 1 else InvalidInput
        message = self._headline
        if self._count > 1:
            others = self._count - 1
            message += f", and {others} more fault{'s' if others > 1 else ''}"
        unlisted = self._count - len(self._faults)
        more = (Fault("", "", f"{unlisted} more faults are not listed"),) if unlisted else ()
        raise error(message, *self._faults, *more)


def shown(value: object, limit: int = 80) -> str:
    """A value as a caller would recognise it, short enough for a message.

    >>> shown("teal"), shown(True), shown(None), shown([1, 2]), shown("x" * 200, limit=8)
    ('"teal"', 'true', 'null', 'a list', '"xxx..."')
    """
    if isinstance(value, str):
        value = value.encode(errors="backslashreplace").decode()  # a lone surrogate cannot be sent
        return f'"{value}"' if len(value) <= limit - 2 else f'"{value[: limit - 5]}..."'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 1_000:  # Python may refuse to write it out
        return "a whole number of hundreds of digits"
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def close_to(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    found = difflib.get_close_matches(name[:100], list(known), n=1)
    return found[0] if found else None


def one_of(name: str, known: Iterable[str], kind: str, otherwise: str) -> str:
    """The fix for a name that is not there: the near one, all there are of the kind, or what to do if there is none.

    >>> one_of("prize", ["price", "demand"], "tasks", "declare one"), one_of("a", [], "tasks", "declare one")
    ("did you mean 'price'? The tasks are: demand, price", 'declare one')
    """
    listed = ", ".join(sorted(known))
    close = close_to(name, listed.split(", "))
    if not listed:
        return otherwise
    return f"did you mean '{close}'? The {kind} are: {listed}" if close else f"use one of: {listed}"
