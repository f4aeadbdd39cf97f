"""Moments as people ask for them: how long ago, how long from now, or a time."""

from __future__ import annotations

from datetime import datetime

from tropism.core.clock import from_datetime, iso
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput


def since_of(text: str, now: int, field: str = "since") -> int:
    """A moment that is past (µs), from a duration (`7d`: so long ago) or a time in ISO 8601.

    Raises:
        InvalidInput: it is neither, or lies in the future; names `field`.

    >>> since_of("1s", now=5_000_000), since_of("1970-01-01T00:00:03Z", now=5_000_000)
    (4000000, 3000000)
    """
    span, at = _read(text, field)
    moment = max(now - span, 0) if at is None else at
    if moment > now:
        fix = f"send a time up to now, which is {iso(now)}, or a duration such as 7d"
        raise InvalidInput(f"{field} is in the future", Fault(field, text[:80], fix))
    return moment


def until_of(text: str, now: int, field: str = "until") -> int:
    """A moment ahead (µs), from a duration (`2h`: so long from now) or a time in ISO 8601.

    Raises:
        InvalidInput: it is neither, or lies in the past; names `field`.

    >>> until_of("1s", now=5_000_000)
    6000000
    """
    span, at = _read(text, field)
    moment = now + span if at is None else at
    if moment <= now:
        fix = f"send a time after now, which is {iso(now)}, or a duration such as 2h"
        raise InvalidInput(f"{field} is not ahead", Fault(field, text[:80], fix))
    return moment


def _read(text: str, field: str) -> tuple[int, int | None]:
    """A duration in µs, or the moment that a time says."""
    try:
        return parse_duration(text, field), None
    except InvalidInput:
        pass
    try:
        return 0, from_datetime(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError) as error:
        fix = "write a duration such as 90s, 6h or 2d, or ISO 8601 such as 2026-01-31T12:00:00Z"
        raise InvalidInput(f"{field} is neither a duration nor a time", Fault(field, text[:80], fix)) from error
