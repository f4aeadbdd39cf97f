"""How far apart two samples are, and how likely chance alone would take them there."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

from tropism.features.statistics.divergence import divergence, jensen_shannon, population_stability

__all__ = [
    "distance_beyond_chance",
    "homogeneity_chance",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "kolmogorov_smirnov_chance",
    "population_stability",
]

Floats = NDArray[np.float64]
_LEAST_EXPECTED = 5.0


def distance_beyond_chance(reference: Floats, current: Floats, n_reference: float, n_current: float) -> float:
    """The Jensen-Shannon distance less what samples of these (effective) sizes show without any change, 0 to 1."""
    if n_reference <= 0 or n_current <= 0:
        return 0.0
    used = int(((reference + current) > 0).sum())
    expected = (used - 1) / (8 * log(2)) * (1 / n_reference + 1 / n_current)
    return sqrt(max(0.0, divergence(reference, current) - expected))


def kolmogorov_smirnov(reference: Floats, current: Floats) -> float:
    """Largest distance between the distribution functions of two samples, 0 to 1.

    >>> kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    1.0
    """
    if not len(reference) or not len(current):
        return 0.0
    old, new = np.sort(reference), np.sort(current)
    steps = np.concatenate([old, new])
    below = np.searchsorted(old, steps, side="right") / len(old) - np.searchsorted(new, steps, side="right") / len(new)
    return float(np.abs(below).max())


def kolmogorov_smirnov_chance(distance: float, n_reference: float, n_current: float) -> float:
    """Probability of a distance at least as large without a change, from (effective) sample sizes.

    The asymptotic distribution with Stephens's correction for small samples (1970); ties make it cautious.
    """
    if n_reference <= 0 or n_current <= 0:
        return 1.0
    root = sqrt(n_reference * n_current / (n_reference + n_current))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def homogeneity_chance(reference: Floats, current: Floats, inflated: tuple[float, float] = (1.0, 1.0)) -> float:
    """Probability, without a change, that histograms of counts differ as much: Pearson's chi-square test.

    Bins that too few rows are expected in are taken together. `inflated`: by how much dependence lessens each
    sample; counts are divided by it.
    """
    old, new = reference / inflated[0], current / inflated[1]
    if not old.sum() or not new.sum():
        return 1.0
    expected = min(old.sum(), new.sum()) / (old.sum() + new.sum()) * (old + new)
    few = expected < _LEAST_EXPECTED
    table = np.array([np.append(old[~few], old[few].sum()), np.append(new[~few], new[few].sum())])
    table = table[:, table.sum(axis=0) > 0]
    ideal = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    if table.shape[1] < 2 or ideal.min() < 1.0:
        return 1.0
    return float(chdtrc(table.shape[1] - 1, float(((table - ideal) ** 2 / ideal).sum())))
