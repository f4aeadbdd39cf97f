"""Ticks of an axis that counts events, for streams in file order."""

from __future__ import annotations

from datetime import UTC, datetime

from tropism.core.axes import nice_ticks
from tropism.core.clock import SECOND
from tropism.entrypoints.replay.ordering import START


def event_ticks(low: int, high: int, count: int = 6) -> list[tuple[int, str]]:
    """As `time_ticks` for file order: the numbers of the events that stand at those made-up times.

    >>> event_ticks(START, START + 999 * SECOND, 2)[-1][1]
    '1,000'
    """
    first, last = event_number(low), event_number(high)
    return [
        (START + (int(tick) - 1) * SECOND, f"{int(tick):,}") for tick in nice_ticks(first, last, count) if tick >= 1
    ]


def event_number(at: int) -> int:
    """Which event, counted from 1, stands at a made-up time of file order."""
    return (at - START) // SECOND + 1


def moment_text(at: int, dated: bool) -> str:
    """A moment for a reader: to the minute, or the event's number in file order.

    >>> moment_text(0, True), moment_text(START, False)
    ('1970-01-01 00:00', 'event 1')
    """
    if not dated:
        return f"event {event_number(at):,}"
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M")
