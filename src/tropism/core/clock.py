"""Time as the platform sees it: integer microseconds since 1970-01-01 UTC.

Everything that asks for the time is handed a `Clock`, so that a replay can run years in seconds and a test
never sleeps.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000
DAY = 86_400 * SECOND


class Clock(Protocol):
    """Tells the time. Safe to call from any thread."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000


class ManualClock:
    """A clock that stands still until it is moved.

    >>> clock = ManualClock(5)
    >>> clock.advance(10)
    >>> clock.now()
    15
    """

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, by: int) -> None:
        self._now += by

    def set(self, now: int) -> None:
        self._now = now


class FileClock:
    """A clock that several processes read from one small file, and one process moves.

    The eight bytes are mapped into memory, so reading costs no system call.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size < 8:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(struct.pack("<q", 0))
        descriptor = os.open(path, os.O_RDWR)
        try:
            self._map = mmap.mmap(descriptor, 8)
        finally:
            os.close(descriptor)

    def now(self) -> int:
        return int(struct.unpack("<q", self._map[:8])[0])

    def set(self, now: int) -> None:
        self._map[:8] = struct.pack("<q", now)


def iso(at: int) -> str:
    """ISO 8601 text in UTC.

    >>> iso(0)
    '1970-01-01T00:00:00Z'
    """
    text = datetime.fromtimestamp(at / SECOND, UTC).isoformat()
    return text.replace("+00:00", "Z")


def from_datetime(moment: datetime) -> int:
    """Microseconds since the epoch; a time without a zone is taken as UTC.

    >>> from_datetime(datetime(1970, 1, 2))
    86400000000
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
