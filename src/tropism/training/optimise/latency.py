"""How long two models take for the same rows, side by side.

Processor time of the calling thread, in which a model does all of its work: on an idle machine that is the time until
the scores are there, and on a busy one it does not count what others do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.evaluation.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.events import Value
    from tropism.learners.model import Model

ROUNDS = 41
_TURN = 2_000_000  # ns that a model has the processor before the other has its turn
_MOST_CALLS = 500
_REACH = 0.98  # 1.96 standard deviations of the rank of a median, over the root of the number of values


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Median processor time of one call, µs, and the time after over the time before with its 95% interval."""

    rows: int
    before_us: float
    after_us: float
    ratio: Interval


def latency(
    before: Model,
    after: Model,
    rows: Sequence[Mapping[str, Value]],
    size: int,
    *,
    clock: Callable[[], int] = time.thread_time_ns,
) -> Latency:
    """Times calls of `size` rows, drawn in turn from `rows`: a row that comes again and again would be too easy.

    Both take turns of some 2 ms, each going first every other time. A round's ratio compares two neighbouring turns;
    the interval is that of the median ratio, from its ranks, so single stalls do not count.
    `clock`: ns from any moment on.
    """
    batches = [[rows[(start + i) % len(rows)] for i in range(size)] for start in range(0, len(rows), size)]
    calls = _calls(before, after, batches, clock)
    spent = np.empty((ROUNDS, 2))
    for number in range(ROUNDS):
        for which in (0, 1) if number % 2 else (1, 0):
            spent[number, which] = _turn((before, after)[which], batches, number * calls, calls, clock)
    ratios = np.sort(spent[:, 1] / np.maximum(spent[:, 0], 1.0))
    reach = int(np.ceil(_REACH * np.sqrt(ROUNDS)))
    middle = ROUNDS // 2
    ratio = Interval(float(ratios[middle]), float(ratios[middle - reach]), float(ratios[middle + reach]))
    times = np.median(spent, axis=0) / 1_000
    return Latency(rows=size, before_us=float(times[0]), after_us=float(times[1]), ratio=ratio)


def _calls(before: Model, after: Model, batches: list[list[Mapping[str, Value]]], clock: Callable[[], int]) -> int:
    """How many calls of the slower one fill a turn; both are warm afterwards."""
    slowest = 1.0
    for model in (before, after):
        _turn(model, batches, 0, 3, clock)
        slowest = max(slowest, _turn(model, batches, 0, 5, clock))
    return int(np.clip(_TURN / slowest, 1, _MOST_CALLS))


def _turn(
    model: Model, batches: list[list[Mapping[str, Value]]], start: int, calls: int, clock: Callable[[], int]
) -> float:
    """Mean time of some calls, ns."""
    predict, count = model.predict_rows, len(batches)
    began = clock()
    for number in range(start, start + calls):
        predict(batches[number % count])
    return (clock() - began) / calls
