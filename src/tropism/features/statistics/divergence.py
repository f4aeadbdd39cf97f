"""How far apart two histograms are."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SMOOTHING = 0.5


def population_stability(reference: Floats, current: Floats) -> float:
    """The population stability index of two histograms of counts, shape (k,): 0 to infinity.

    Half a row is added to each bin that either sample uses, so that an empty one does not make it infinite.

    >>> population_stability(np.array([50.0, 50.0]), np.array([500.0, 500.0])) < 1e-3
    True
    """
    used = (reference + current) > 0
    if not reference.sum() or not current.sum():
        return 0.0
    old, new = reference[used] + _SMOOTHING, current[used] + _SMOOTHING
    old, new = old / old.sum(), new / new.sum()
    return float(((new - old) * np.log(new / old)).sum())


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Jensen-Shannon distance of two histograms of counts, shape (k,): 0 (alike) to 1 (nothing in common).

    The square root of the divergence in bits (Endres and Schindelin, 2003).

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    return sqrt(divergence(reference, current))


def divergence(reference: Floats, current: Floats) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1."""
    if not reference.sum() or not current.sum():
        return 0.0
    old, new = reference / reference.sum(), current / current.sum()
    middle = (old + new) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(old > 0, old * np.log2(old / middle), 0.0) + np.where(
            new > 0, new * np.log2(new / middle), 0.0
        )
    return min(1.0, max(0.0, float(terms.sum()) / 2))
