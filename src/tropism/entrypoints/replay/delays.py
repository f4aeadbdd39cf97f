"""When labels become known: a delay in time or in events, and what it means for every event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import DataInvalid, Fault, InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIX = "write a number of events, such as 48, or a time, such as 90s, 6h or 2d; 0 for no delay"


class Delay(NamedTuple):
    """`events` or `time` (µs), the other is None."""

    text: str
    events: int | None
    time: int | None


class Known(NamedTuple):
    """When each label becomes known.

    `label_at`: µs. `known_from`: index of the first event that may be predicted with it; the number of events
    when there is none. Both never decrease. `known_from` settles what time cannot when events share a time.
    """

    label_at: NDArray[np.int64]
    known_from: NDArray[np.int64]


def parse_delay(text: str) -> Delay:
    """A label delay as written.

    Raises:
        DataInvalid: malformed or negative.

    >>> parse_delay("48").events, parse_delay("2d").time == 2 * 86_400 * SECOND
    (48, True)
    """
    text = str(text).strip()
    if re.fullmatch(r"\d+", text):
        return Delay(text, int(text), None)
    negative = text.startswith("-")
    try:
        return Delay(text, None, parse_duration(text, "--label-delay"))
    except InvalidInput:
        problem = "a label cannot be known before its event" if negative else "the label delay cannot be read"
        raise DataInvalid(problem, Fault("--label-delay", repr(text), _FIX)) from None


def known_times(at: NDArray[np.int64], delay: Delay) -> Known:
    """When the labels of events at `at` (µs, not decreasing) become known.

    A delay of d events: with event i + d. No delay: after the event and before the next one. Labels that become
    known after the last event go on at the stream's mean pace.

    >>> known_times(np.array([0, 10, 20, 30]), parse_delay("2")).label_at.tolist()
    [20, 30, 40, 50]
    """
    n = len(at)
    index = np.arange(n, dtype=np.int64)
    if delay.events is not None:
        later = index + delay.events
        pace = max(1, int(at[-1] - at[0]) // max(1, n - 1))
        label_at = at[np.minimum(later, n - 1)] + np.maximum(later - (n - 1), 0) * pace
        return Known(label_at.astype(np.int64), np.minimum(index + max(1, delay.events), n))
    label_at = at + (delay.time or 0)
    reached = np.searchsorted(at, label_at, side="left")
    return Known(label_at, np.maximum(reached, index + 1).astype(np.int64))


def window_for(at: NDArray[np.int64], label_at: NDArray[np.int64]) -> str:
    """The shortest outcome window, in whole seconds, in which every label arrives.

    >>> window_for(np.array([0]), np.array([1_500_000]))
    '2s'
    """
    seconds = -(-int(np.max(label_at - at)) // SECOND)
    if seconds == 0:
        return "0"
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
