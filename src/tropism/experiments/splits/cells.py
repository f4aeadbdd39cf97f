"""Units counted by variant and exposure day, and the estimate that is stratified by day.

The two variants are compared within each day, and the days' differences are weighted by their units (Miratrix,
Sekhon and Yu, "Adjusting treatment effect estimates by post-stratification in randomized experiments", 2013). A day
that was good for both, or a share of traffic that grew while the times changed, then says nothing about the
difference. Days on which one of the two has no units are left out.

Everything here adds up over days, so a path over many looks costs no more than the last one. The last axis is the
day, the one before it the variant: control, treatment.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """Moments within each cell, each of shape (..., 2, days): count, mean, and sums of (value - mean)^2 and ^3."""

    n: Floats
    mean: Floats
    squares: Floats
    cubes: Floats


def cells(values: tuple[Floats, Floats], days: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Cells:
    """Cells of the control's and the treatment's units, each of shape (units,).

    >>> cells((np.array([1.0, 3.0]), np.array([5.0])), (np.array([7, 7]), np.array([8]))).n
    array([[2., 0.],
           [0., 1.]])
    """
    known = np.unique(np.concatenate(days))
    rows = [_row(one, np.searchsorted(known, day), len(known)) for one, day in zip(values, days, strict=True)]
    return Cells(*(np.stack(part) for part in zip(*rows, strict=True)))


def binary_cells(n: Floats, ones: Floats) -> Cells:
    """Cells of values that are 0 or 1, from counts of shape (..., 2, days)."""
    mean = ones / np.maximum(n, 1)
    squares = n * mean * (1 - mean)
    return Cells(n, mean, squares, squares * (1 - 2 * mean))


def _row(values: Floats, day: NDArray[np.int64], days: int) -> tuple[Floats, Floats, Floats, Floats]:
    n = np.bincount(day, minlength=days).astype(np.float64)
    mean = np.bincount(day, values, days) / np.maximum(n, 1)
    away = values - mean[day]
    squares, cubes = (np.bincount(day, away**power, days).astype(np.float64) for power in (2, 3))
    return n, mean, squares, cubes


class Tally(NamedTuple):
    """What adds up over days, each of shape (..., 2, days) before it is summed."""

    units: Floats
    n: Floats
    total: Floats
    """Mean of the day, times its units."""
    spread: Floats
    """Variance of that, for cells that have two units or more."""
    single: Floats
    """For cells of one unit: what to multiply a unit's variance by."""
    squares: Floats
    freedom: Floats
    cubes: Floats
    lever: Floats
    """What to multiply a unit's third moment by."""

    @classmethod
    def of(cls, cells: Cells) -> Tally:
        n, mean, squares, cubes = cells
        used = (n > 0).all(axis=-2, keepdims=True)
        units = np.broadcast_to(n.sum(axis=-2, keepdims=True) * used, n.shape)
        count = np.maximum(n, 1)
        return cls(
            units=units,
            n=n * used,
            total=units * mean,
            spread=units**2 * squares / (count * np.maximum(n - 1, 1)),
            single=units**2 * (n == 1),
            squares=squares * used,
            freedom=np.maximum(n - 1, 0) * used,
            cubes=cubes * used,
            lever=units**3 / count**2,
        )

    def summed(self) -> Tally:
        """Over all days; the last axis goes."""
        return Tally(*(part.sum(axis=-1) for part in self))

    def running(self) -> Tally:
        """Up to and with each day; the last axis is then the look, and is moved before that of the variant."""
        return Tally(*(np.moveaxis(part.cumsum(axis=-1), -1, -2) for part in self))


class Estimate(NamedTuple):
    """Stratified means of the two variants, shape (..., 2), the variance and third cumulant of each; `units`: (...)."""

    units: Floats
    n: Floats
    means: Floats
    variances: Floats
    thirds: Floats

    @classmethod
    def of(cls, tally: Tally) -> Estimate:
        """From a tally that was summed over days."""
        units = np.maximum(tally.units, 1)
        pooled = tally.squares / np.maximum(tally.freedom, 1)
        third = tally.cubes / np.maximum(tally.n, 1)
        variances = (tally.spread + tally.single * pooled) / units**2
        return cls(tally.units[..., 0], tally.n, tally.total / units, variances, tally.lever * third / units**3)

    @property
    def difference(self) -> Floats:
        return np.asarray(self.means[..., 1] - self.means[..., 0])

    @property
    def variance(self) -> Floats:
        """Of the difference."""
        return np.asarray(self.variances.sum(axis=-1))

    @property
    def skewness(self) -> Floats:
        """Of one unit's contribution to the difference; that of the difference is smaller by the root of the units."""
        third = self.thirds[..., 1] - self.thirds[..., 0]
        variance = np.where(self.variance > 0, self.variance, 1.0)
        return np.where(self.variance > 0, third / variance / np.sqrt(variance) * np.sqrt(self.units), 0.0)
