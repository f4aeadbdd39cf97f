"""Reads the fields of one element of a request: texts, times and identifiers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tropism.core.clock import from_datetime, iso
from tropism.core.errors import InvalidInput
from tropism.core.faults import close_to, shown
from tropism.core.identity import is_id, time_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.errors import InputError
    from tropism.core.faults import Faults

MOST_TEXT = 256
_EARLIEST = -62_135_596_800_000_000
_LATEST = 253_402_300_799_999_999


class Fields:
    """One JSON object of a request, and where it stands in it.

    What is wrong is added to `faults` with `error` as its class; reading goes on, so that every fault is found.
    A field that is absent or null reads as None.
    """

    def __init__(self, element: dict[str, Any], where: str, faults: Faults, error: type[InputError]) -> None:
        self.element = element
        self.where = where
        self.faults = faults
        self._error = error

    def refuse(self, name: str, headline: str, fix: str, error: type[InputError] | None = None) -> None:
        """Notes that the field `name` cannot be used, as an `error` if it is not of the usual class."""
        value = shown(self.element[name]) if name in self.element else ""
        self.faults.add(error or self._error, headline, self.where + name, value, fix)

    def only(self, known: Sequence[str]) -> None:
        """Refuses fields with other names."""
        for name in self.element:
            if name not in known:
                close = None if self.faults.full else close_to(name, known)
                fix = f"did you mean '{close}'?" if close else f"use: {', '.join(known)}"
                self.faults.add(
                    InvalidInput, f"there is no field {shown(name)}", self.where + name[:MOST_TEXT], "", fix
                )

    def text(self, name: str) -> str | None:
        """A short text."""
        value = self.element.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(name, f"'{name}' is not a text", "send it as a string")
            return None
        if not 0 < len(value) <= MOST_TEXT:
            self.refuse(name, f"'{name}' is too long or empty", f"send 1 to {MOST_TEXT} characters")
            return None
        return value

    def moment(self, name: str, now: int, tolerance: int) -> int | None:
        """A time as µs since the epoch, sent as such or as ISO 8601, at most `tolerance` µs after `now`."""
        value = self.element.get(name)
        if value is None:
            return None
        at = _moment(value)
        if at is None:
            fix = "send ISO 8601, such as 2026-01-31T12:00:00Z, or whole microseconds since 1970"
            self.refuse(name, f"'{name}' is not a time", fix)
        elif at > now + tolerance:
            self.refuse(name, f"'{name}' is in the future", f"send a time up to now, which is {iso(now)}")
        else:
            return at
        return None

    def identifier(self, name: str, now: int, tolerance: int) -> str | None:
        """A UUIDv7 that was not made in the future."""
        value = self.element.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not is_id(value):
            self.refuse(name, f"'{name}' is not an id of Tropism", f"send the '{name}' of a reply as it was")
        elif time_of(value) > now + tolerance:
            fix = f"make ids with the time of now, which is {iso(now)}; is the caller's clock right?"
            self.refuse(name, f"'{name}' was made in the future", fix)
        else:
            return value
        return None


def _moment(value: object) -> int | None:
    """µs since the epoch; None when it is no time between the years 1 and 9999."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if _EARLIEST <= value <= _LATEST else None
    if not isinstance(value, str):
        return None
    try:
        return from_datetime(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None
