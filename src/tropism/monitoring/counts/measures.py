"""How far apart two samples are, from their counts in the same bins alone.

Each measure is an effect size on a scale of its own: it says how much changed, not whether chance did it. Of a sample
without rows nothing can be said; every measure is then 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.features.statistics import divergence
from tropism.monitoring.counts.binning import Array, Binning

Floats = NDArray[np.float64]


def kolmogorov_smirnov(reference: Array, current: Array) -> float:
    """Largest distance between two distribution functions at the bins' edges: 0 (alike) to 1 (nothing in common).

    Of numbers that are there: the last bin (missing) is left out. Never above the distance of the raw values, and
    below it by at most the larger mass that one bin holds.

    >>> kolmogorov_smirnov(np.array([0, 4, 0, 0]), np.array([0, 1, 3, 5]))
    0.75
    """
    old, new = _shares(reference[:-1]), _shares(current[:-1])
    return 0.0 if old is None or new is None else float(np.abs(np.cumsum(old - new)).max())


def population_stability(reference: Array, current: Array) -> float:
    """The population stability index over all bins, missing included: 0 to infinity.

    By custom below 0.1 is little, above 0.25 a lot. Half a row is added to each bin that either sample uses, so that an
    empty one does not make it infinite; a small sample therefore shows about (bins - 1) / rows without any change.

    >>> population_stability(np.array([50, 50, 0]), np.array([500, 500, 0])) < 1e-3
    True
    """
    return divergence.population_stability(reference.astype(np.float64), current.astype(np.float64))


def jensen_shannon(reference: Array, current: Array) -> float:
    """Jensen-Shannon distance over all bins, missing included: 0 (alike) to 1 (nothing in common).

    The square root of the divergence in bits (Endres and Schindelin, 2003).

    >>> jensen_shannon(np.array([1, 0, 0]), np.array([0, 1, 0]))
    1.0
    """
    return divergence.jensen_shannon(reference.astype(np.float64), current.astype(np.float64))


def beyond_chance(reference: Array, current: Array) -> float:
    """The Jensen-Shannon distance less what samples of these sizes show without any change, 0 to 1.

    >>> beyond_chance(np.array([50, 50, 0]), np.array([6, 4, 0]))
    0.0
    """
    if not reference.sum() or not current.sum():
        return 0.0
    bins = int(((reference + current) > 0).sum())
    expected = (bins - 1) / (8 * log(2)) * (1 / reference.sum() + 1 / current.sum())
    return sqrt(max(0.0, jensen_shannon(reference, current) ** 2 - expected))


def wasserstein(binning: Binning, reference: Array, current: Array) -> float:
    """The mean way that values moved, in standard deviations of the reference: 0 to infinity.

    The area between the two distribution functions (Vallender, 1974), values spread evenly in a bin. What is out of the
    reference's range counts as lying at its end, for how far out it is is not known: a move out of range altogether
    shows as less than it is, and that of a constant as 1.7. Missing values are left out. Raises DataInvalid for
    categories and for counts in other bins.

    >>> binning = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    >>> round(wasserstein(binning, np.array([0, 9, 9, 0, 0]), np.array([0, 0, 18, 0, 0])), 3)
    0.866
    """
    if binning.kind != "number" or not len(reference) == len(current) == binning.size:
        given = f"{binning.kind} in {binning.size} bins, counts of {len(reference)} and {len(current)}"
        raise DataInvalid(
            "there is no distance between these counts", Fault("binning", given, "give counts of numbers")
        )
    old, new = _shares(reference[:-1]), _shares(current[:-1])
    if old is None or new is None:
        return 0.0
    shape = _shape(binning)
    if shape is None:
        return 0.0
    scale = _deviation(old, shape)
    return _area(np.cumsum(old - new)[:-1], shape.widths) / scale if scale > 0 else 0.0


def chi_square(reference: Array, current: Array) -> float:
    """Cramér's V of the table of two samples by bins (Cramér, 1946), missing included: 0 (alike) to 1.

    The root of chi-square per row, as if both samples had equally many rows, so that it does not depend on their
    sizes. By custom 0.1 is small, 0.3 medium, 0.5 large (Cohen, 1988).

    >>> chi_square(np.array([10, 0, 0]), np.array([0, 700, 0])), chi_square(np.array([5, 5, 0]), np.array([70, 70, 0]))
    (1.0, 0.0)
    """
    old, new = _shares(reference), _shares(current)
    if old is None or new is None:
        return 0.0
    used = old + new > 0
    old, new = old[used], new[used]
    return min(1.0, sqrt(float(((old - new) ** 2 / (old + new)).sum()) / 2))


def _shares(counts: Array) -> Floats | None:
    rows = counts.sum()
    return counts / rows if rows > 0 else None


def _area(gaps: Floats, widths: Floats) -> float:
    """Between two functions that are straight in each bin; `gaps` are their differences at the edges."""
    left, right = gaps[:-1], gaps[1:]
    both = np.abs(left) + np.abs(right)
    crossed = (left * right) < 0
    parted = np.where(crossed, (left**2 + right**2) / np.where(both > 0, both, 1.0), both)
    return float(parted @ widths) / 2


class _Shape(NamedTuple):
    """Widths of the bins between the edges; of all bins the middles, and the variance within."""

    widths: Floats
    middles: Floats
    within: Floats


@lru_cache(maxsize=4_096)
def _shape(binning: Binning) -> _Shape | None:
    """None where there are no two edges."""
    edges = np.array(binning.edges, np.float64)
    if len(edges) < 2:
        return None
    widths = np.diff(edges)
    middles = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
    return _Shape(widths, middles, np.concatenate([[0.0], widths, [0.0]]) ** 2 / 12)


def _deviation(shares: Floats, shape: _Shape) -> float:
    """Standard deviation of values that are spread evenly in each bin, those out of range at the ends."""
    mean = float(shares @ shape.middles)
    return sqrt(float(shares @ ((shape.middles - mean) ** 2 + shape.within)))
