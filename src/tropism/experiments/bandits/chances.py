"""The probability that each of several independent random variables is the largest.

That is what Thompson sampling chooses an arm with, so an arm drawn from these probabilities is drawn as the algorithm
would, and what is logged as its propensity is what it was drawn with, to the last bit.

Two normal variables have a closed form. Otherwise P(arm a) = integral of prod_{b != a} F_b dF_a, by the trapezoid
rule over a grid that has points at every arm's own scale: within 0.001 of the integral, and cheaper than the 250,000
draws that would have a standard error as small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit, ndtr

Floats = NDArray[np.float64]
_REACH = 6.0
"""Standard deviations from its centre up to which an arm has points."""
_POINTS, _FEWEST, _MOST = 400, 40, 1_000
"""Points of all arms together, fewest of one of them, and most that are used where there are many arms."""
_LEAST = 1e-9


def largest_normal(means: Floats, deviations: Floats) -> Floats:
    """Of normal variables, shapes (k,). A deviation of 0 is taken as a very small one.

    >>> largest_normal(np.array([1.0, 0.0]), np.array([0.6, 0.8])).round(4).tolist()
    [0.8413, 0.1587]
    """
    deviations = np.maximum(deviations, _LEAST * (1.0 + np.abs(means).max()))
    if len(means) == 2:
        first = float(ndtr((means[0] - means[1]) / np.hypot(deviations[0], deviations[1])))
        return np.array([first, 1.0 - first])
    points = _grid(means, deviations)
    return _largest(ndtr((points - means[:, None]) / deviations[:, None]))


def largest_beta(successes: Floats, failures: Floats) -> Floats:
    """Of beta variables, shapes (k,). The grid lies on the log-odds, where they are close to normal.

    >>> largest_beta(np.array([1.0, 1.0, 9.0]), np.array([1.0, 1.0, 1.0])).round(2).tolist()
    [0.09, 0.09, 0.82]
    """
    spread = np.sqrt(1 / successes + 1 / failures + 0.5 / successes**2 + 0.5 / failures**2)
    points = expit(_grid(np.log(successes / failures), spread))
    return _largest(betainc(successes[:, None], failures[:, None], points))


def _grid(centres: Floats, deviations: Floats) -> Floats:
    """Points (m,) in order, where the largest of the variables may be."""
    k = len(centres)
    steps = np.linspace(-_REACH, _REACH, max(_FEWEST, _POINTS // k))
    shift = (steps[1] - steps[0]) * np.arange(k)[:, None] / k  # so that the points of arms alike do not fall together
    points = (centres[:, None] + deviations[:, None] * (steps + shift)).ravel()
    least = (centres - _REACH * deviations).max()
    points = np.sort(points[points >= least])
    return points[:: -(-len(points) // _MOST)]


def _largest(below: Floats) -> Floats:
    """From distribution functions at the points, shape (k, m)."""
    k = len(below)
    others = np.ones_like(below)
    np.cumprod(below[:-1], axis=0, out=others[1:])
    after = np.ones(below.shape[1])
    for arm in range(k - 1, -1, -1):
        others[arm] *= after
        after = after * below[arm]
    found = ((others[:, 1:] + others[:, :-1]) * (below[:, 1:] - below[:, :-1])).sum(axis=1)
    return np.asarray(found / found.sum(), dtype=np.float64)
