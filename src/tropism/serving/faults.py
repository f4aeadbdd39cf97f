"""Collects everything that is wrong with a request, so that a caller learns it all at once."""

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

    def check(self) -> None:
        """Raises one error for all faults: of their class if they share one, else `InvalidInput`."""
        if not self._count:
            return
        error = self._classes.pop() if len(self._classes) == 1 else InvalidInput
        message = self._headline
        if self._count > 1:
            others = self._count - 1
            message += f", and {others} more fault{'s' if others > 1 else ''}"
        if self._count > MOST:
            more = Fault("", "", f"{self._count - MOST} more faults are not listed")
            raise error(message, *self._faults, more)
        raise error(message, *self._faults)


def shown(value: object, limit: int = 80) -> str:
    """A value as a caller would recognise it, short enough for a message.

    >>> shown("teal"), shown(True), shown(None), shown([1, 2]), shown("x" * 200, limit=8)
    ('"teal"', 'true', 'null', 'a list', '"xxx..."')
    """
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= limit - 2 else f'"{value[: limit - 5]}..."'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def close_to(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    found = difflib.get_close_matches(name[:100], list(known), n=1)
    return found[0] if found else None
