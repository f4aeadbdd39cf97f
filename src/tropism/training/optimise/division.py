"""Divides a task's labelled rows in time: what techniques may look at, then what they are judged on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.errors import Fault, TrainingFailed

if TYPE_CHECKING:
    from tropism.training.optimise.base import Sample

FEWEST = 200
MOST_HELD = 5_000
MOST_CALIBRATION = 20_000


class Division(NamedTuple):
    """`fresh`: whether the model was trained before all of the rows held out, and so has not seen them."""

    calibration: Sample
    held: Sample
    fresh: bool


def divide(task: str, rows: Sample, trained: int) -> Division:
    """The last third of the rows, at most `MOST_HELD`, is held out; less if that leaves only rows newer than `trained`.

    `trained` (µs): when the training rows of the model were taken. Fewer than `FEWEST` newer rows are not enough.
    A model looks better than it is on rows that it learnt from, so on older rows a technique that learns anew looks
    worse than it is, never better.

    Raises:
        TrainingFailed: there are fewer than `FEWEST` rows.
    """
    count = len(rows.labels)
    if count < FEWEST:
        fix = f"send predictions and outcomes first, or import history: tropism train {task} --data FILE --time COLUMN"
        what = f"'{task}' cannot be optimised yet: there are {count} labelled rows, and it takes {FEWEST}"
        raise TrainingFailed(what, Fault("rows", str(count), fix))
    newer = int(np.count_nonzero(rows.at > trained))
    size = min(count // 3, MOST_HELD)
    if FEWEST <= newer < size:
        size = newer
    start = count - size
    calibration = rows.slice(max(0, start - MOST_CALIBRATION), start)
    return Division(calibration, rows.slice(start, count), newer >= size)
