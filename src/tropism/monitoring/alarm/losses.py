"""Losses of a model on matured outcomes as a column of their own: only a rise of their mean is looked for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.monitoring.alarm.dependence import tempering
from tropism.monitoring.alarm.reference import Reference, Stream
from tropism.monitoring.counts import Binning, freeze, places

Floats = NDArray[np.float64]
LOSS = "loss"
FEWEST_LOSSES = 30


def refer_losses(losses: ArrayLike, start: int, end: int) -> Reference:
    """The reference that losses (n,) make, in time order, of predictions made from `start` to `end` (µs).

    Raises:
        DataInvalid: fewer than FEWEST_LOSSES of them are finite.

    >>> refer_losses([0.0, 1.0, 0.0, 0.0] * 25, 0, 99).streams[0].counts[1:3]
    (75, 25)
    """
    values = np.asarray(losses, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < FEWEST_LOSSES:
        fault = Fault("losses", f"{len(values)} outcomes", f"wait until there are {FEWEST_LOSSES}")
        raise DataInvalid("there are too few outcomes to compare with", fault)
    column = pa.chunked_array([pa.array(values)])
    binning = freeze(column, "number")
    place = places(binning, column).astype(np.int64)
    counts = np.bincount(place, minlength=binning.size)
    means = _means(binning, values, place, counts)
    stream = Stream(
        name=LOSS,
        type="number",
        binning=binning,
        counts=tuple(counts.tolist()),
        tempering=(float(np.float32(tempering(means[place]))),),
        means=tuple(means.tolist()),
    )
    return Reference(streams=(stream,), rows=len(values), start=start, end=end)


def _means(binning: Binning, values: Floats, place: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """The mean loss in each bin. What is worse than the worst of the reference counts as a little worse than it."""
    sums = np.bincount(place, weights=values, minlength=binning.size)
    means = np.interp(np.arange(binning.size), np.flatnonzero(counts), (sums / np.maximum(counts, 1))[counts > 0])
    worst = float(values.max())
    means[-2] = max(worst, float(means.max())) + (float(values.std()) or max(abs(worst), 1.0))
    means[-1] = float(values.mean())
    return means
