"""How much less the rows of a reference say because they resemble their neighbours, and with the hour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, fdtrc

from tropism.core.clock import DAY
from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_HOUR = DAY // 24
_WEEKDAY = 3
"""Of the first day of the epoch, a Thursday."""
_SMALLEST_BATCH, _FEWEST_BATCHES = 8, 16
_CHANCE, _SEASON_CHANCE = 1e-3, 1e-4
_ROUNDING = 1e-12


class Season(NamedTuple):
    """Mean of each score in each slot of the cycle, (slots, k), and how many cycles the reference has."""

    means: Floats
    cycles: float


def slots(at: NDArray[np.int64], count: int) -> Places:
    """The hour of the day (`count` 24) or of the week (168, from Monday) of times in µs, UTC; 0 where `count` is 1.

    >>> slots(np.array([0]), 168).tolist()
    [72]
    """
    hours = at // _HOUR
    return np.asarray((hours + _WEEKDAY * 24) % count if count > 1 else np.zeros_like(hours), dtype=np.int64)


def cycle_of(at: NDArray[np.int64]) -> int:
    """Slots of the longest cycle that these times repeat: 168 from two weeks on, 24 from three days on, or 1."""
    span = int(at.max() - at.min()) if len(at) else 0
    if span >= 14 * DAY:
        return 168
    return 24 if span >= 3 * DAY else 1


def season(scores: Floats, at: NDArray[np.int64], count: int) -> Season | None:
    """The season of k scores of n rows, (k, n), if there is one.

    Means of slots are compared with what they do from one cycle to the next, by the F test of a layout of two ways,
    so that dependence within an hour counts for nothing. They are shrunk by what chance explains (James and Stein).
    """
    if count == 1:
        return None
    slot = slots(at, count)
    cycle = (at // _HOUR + _WEEKDAY * 24) // count
    cycle -= cycle.min()
    cells = cycle * count + slot
    size = int(cells.max()) + 1
    rows = np.bincount(cells, minlength=size)
    full = np.flatnonzero(rows)
    means = np.zeros((count, len(scores)))
    seen = np.bincount(full % count, minlength=count)
    if (seen < 2).mean() > 0.5:
        return None
    degrees = int((seen > 0).sum()) - 1, int((seen[seen > 0] - 1).sum())
    for k, values in enumerate(scores):
        cell = np.bincount(cells, weights=values, minlength=size)[full] / rows[full]
        of_slot = np.bincount(full % count, weights=cell, minlength=count) / np.maximum(seen, 1)
        between = float(seen @ (of_slot - cell.mean()) ** 2) / max(degrees[0], 1)
        within = float(((cell - of_slot[full % count]) ** 2).sum()) / max(degrees[1], 1)
        ratio = between / within if within > 0 else np.inf
        if between > 0 and fdtrc(*degrees, ratio) < _SEASON_CHANCE:
            means[:, k] = np.where(seen > 0, of_slot * (1 - 1 / ratio), 0.0)
    return Season(means, float(seen[seen > 0].mean())) if means.any() else None


def tempering(values: Floats) -> float:
    """Variance of the mean of `values` (n,), in time order, over that of independent ones: 1 or more.

    The larger of the long-run variance and of what means of batches show, where that is beyond chance: rows may
    resemble one another over a minute that no autoregression of rows sees.

    >>> tempering(np.tile([1.0, -1.0], 200))
    1.0
    """
    n = len(values)
    variance = float(values.var()) if n else 0.0
    if variance < _ROUNDING:
        return 1.0
    if n < _SMALLEST_BATCH * _FEWEST_BATCHES:
        return inflation(values)
    factors = [inflation(values)] if abs(_first_correlation(values)) > 3 / np.sqrt(n) else [1.0]
    size = _SMALLEST_BATCH
    while n // size >= _FEWEST_BATCHES:
        batches = n // size
        means = values[: batches * size].reshape(batches, size).mean(axis=1)
        factor = float(means.var(ddof=1)) * size / variance
        if factor * (batches - 1) > chdtri(batches - 1, _CHANCE):
            factors.append(factor)
        size *= 4
    return max(factors)


def _first_correlation(values: Floats) -> float:
    centred = values - values.mean()
    # Not `@`: threads of BLAS cost more here than they save.
    return float(np.einsum("i,i", centred[1:], centred[:-1]) / np.einsum("i,i", centred, centred))
