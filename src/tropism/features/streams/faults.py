"""Collects everything that is wrong with events, so that who sent them learns it all at once."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 50
"""Faults that one error lists; the rest are counted."""
_LONGEST = 80
_NAMES = {None: "null", True: "true", False: "false"}


class Faults:
    """Faults met so far.

    >>> faults = Faults()
    >>> faults.add("'amount' is not a number", "events[0].amount", '"x"', "send a number")
    >>> try:
    ...     faults.check()
    ... except InvalidInput as error:
    ...     print(error)
    'amount' is not a number
      events[0].amount: got "x"; send a number
    """

    def __init__(self) -> None:
        self._headline = ""
        self._listed: list[Fault] = []
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether more faults would only be counted."""
        return self._count >= MOST

    def skip(self) -> None:
        """Counts one more fault, which is not listed."""
        self._count += 1

    def add(self, headline: str, field: str, value: str, fix: str) -> None:
        """Notes one fault; `headline` says in a sentence what is wrong."""
        self._count += 1
        self._headline = self._headline or headline
        if len(self._listed) < MOST:
            self._listed.append(Fault(field, value, fix))

    def check(self) -> None:
        """Raises `InvalidInput` with all faults, if there are any."""
        if not self._count:
            return
        others, unlisted = self._count - 1, self._count - len(self._listed)
        message = self._headline
        if others:
            message += f", and {others} more fault{'s' if others > 1 else ''}"
        more = [Fault("", "", f"{unlisted} more faults are not listed")] if unlisted else []
        raise InvalidInput(message, *self._listed, *more)


def shown(value: object) -> str:
    """A value as its sender would recognise it, short enough for a message.

    >>> shown("teal"), shown(True), shown([1, 2]), shown(1.5)
    ('"teal"', 'true', 'a list', '1.5')
    """
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _LONGEST - 2 else f'"{value[: _LONGEST - 5]}..."'
    if value is None or isinstance(value, bool):
        return _NAMES[value]
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 1_000:  # Python may refuse to write it out
        return "a whole number of hundreds of digits"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def close_to(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    found = difflib.get_close_matches(name[:100], list(known), n=1)
    return found[0] if found else None
