"""A stream as steps in virtual time: predictions to ask for, outcomes to send, moments to look.

Steps are short, so that what the platform sees differs from the stream by less than a step: predictions carry
their own times, and an outcome is received within a step of when it became known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.clock import SECOND
from tropism.core.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tropism.entrypoints.replay.stream import Stream

_MOST_EVENTS = 25


class Step(NamedTuple):
    """Predict events `first` to `last` (exclusive) at virtual time `now` (µs), or send their outcomes."""

    kind: str
    first: int
    last: int
    now: int


def step_events(stream: Stream) -> int:
    """Most events of one step: a thousandth of the stream, at most 25."""
    return min(max(len(stream) // 1_000, 1), _MOST_EVENTS)


def step_length(stream: Stream) -> int:
    """Virtual time (µs) that one step may span: so many typical gaps between events, in whole seconds."""
    gaps = np.diff(stream.at)
    positive = gaps[gaps > 0]
    typical = int(np.median(positive)) if len(positive) else SECOND
    return max(-(-step_events(stream) * typical // SECOND), 1) * SECOND


def outcome_window(stream: Stream) -> str:
    """The longest label delay and one step: within it every outcome is received."""
    delay = int(np.max(stream.label_at - stream.at))
    return format_duration(-(-delay // SECOND) * SECOND + step_length(stream) + SECOND)


def steps(stream: Stream, boundaries: set[int]) -> Iterator[Step]:
    """Every step in order. No step of predictions crosses one of the `boundaries` (event numbers).

    An outcome is sent before the first event that may be predicted with it known.
    """
    length = step_length(stream)
    n, first, sent, now = len(stream), 0, 0, 0
    while first < n:
        last = _end_of_step(stream, first, length, boundaries)
        now = max(now, int(stream.at[last - 1]))
        yield Step("predict", first, last, now)
        while sent < n and stream.known_from[sent] <= last and stream.known_from[sent] < n:
            group = _group(stream, sent, last, length)
            now = max(now, int(stream.label_at[group - 1]))
            yield Step("outcome", sent, group, now)
            sent = group
        first = last


def _end_of_step(stream: Stream, first: int, length: int, boundaries: set[int]) -> int:
    last, most = first + 1, step_events(stream)
    # An outcome known before event `last` must be sent before it is predicted.
    while last < len(stream) and last - first < most and last not in boundaries:
        if stream.at[last] - stream.at[first] > length:
            break
        last += 1
    return last


def _group(stream: Stream, sent: int, last: int, length: int) -> int:
    group = sent + 1
    while group < len(stream) and stream.known_from[group] <= last:
        if stream.label_at[group] - stream.label_at[sent] > length:
            break
        group += 1
    return group
