"""Bounds on the difference of two stratified means, and on their ratio, that hold at every look.

The asymptotic confidence sequence (`experiments.confidence`) of a difference between two groups: every unit of
either is one observation, of a variance that is N times that of the difference (Waudby-Smith et al., 2024, section
3, for a randomised experiment). GrowthBook's gbstats computes the same with another choice of rho.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.experiments.confidence import radius, tuning
from tropism.experiments.splits.cells import Estimate

Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """Of one group: how many units, their mean, and their variance (divided by n - 1)."""

    n: ArrayLike
    mean: ArrayLike
    variance: ArrayLike


def half_width(units: ArrayLike, variance: ArrayLike, alpha: float, rho: float, *, one_sided: bool = False) -> Floats:
    """Distance from a difference to its bound. `units`: of both groups; `variance`: of the difference.

    >>> bool(half_width(1_000, 0.01, 0.05, 0.03) > 1.96 * 0.1)
    True
    """
    count = np.asarray(units, np.float64)
    size = np.sqrt(np.asarray(variance, np.float64) * count)
    return np.asarray(size * radius(count, alpha, rho, one_sided=one_sided))


def reaches(estimate: Estimate, alpha: tuple[float, float], plan: float) -> tuple[Floats, Floats]:
    """How far down and up the bounds are, in standard errors; `alpha`: of the lower and of the upper bound.

    One-sided, and moved outward by the first Edgeworth term (Johnson, 1978; Hall, 1992) on the side where skewness
    makes a difference and its variance conspire: a run of few rare events lowers a mean and its spread at once.
    """
    units = np.maximum(estimate.units, 1)
    found = []
    for level, skewness in zip(alpha, (-estimate.skewness, estimate.skewness), strict=True):
        reach = radius(units, level, tuning(plan, level, one_sided=True), one_sided=True)
        found.append((reach + np.maximum(0.0, skewness) * (2 * reach**2 * units + 1) / (6 * units)) * np.sqrt(units))
    return found[0], found[1]


def difference_bounds(estimate: Estimate, alpha: tuple[float, float], plan: float) -> tuple[Floats, Floats]:
    """Lower and upper bound of treatment minus control, each wrong at any look with its own probability."""
    below, above = reaches(estimate, alpha, plan)
    error = np.sqrt(estimate.variance)
    return estimate.difference - below * error, estimate.difference + above * error


def lift_bounds(estimate: Estimate, alpha: tuple[float, float], plan: float) -> tuple[float, float]:
    """Bounds of (treatment - control) / |control|; infinite while the control's mean may be 0.

    Fieller's (1954): the ratios c for which treatment - c * control may be 0. So the lift's bounds pass 0 at the same
    look as the difference's. One estimate only.
    """
    control, treatment = (float(mean) for mean in estimate.means)
    found = []
    for reach, side in zip(reaches(estimate, alpha, plan), (-1.0, 1.0), strict=True):
        own, other = (float(reach**2 * variance) for variance in estimate.variances)
        rest = control**2 - own
        if rest <= 0:
            found.append(side * np.inf)
            continue
        root = np.sqrt(max(0.0, control**2 * other + treatment**2 * own - own * other))
        # |control| * treatment, so that up is up for a negative control too.
        ratio = (abs(control) * treatment + side * root) / rest
        found.append(float(ratio - np.sign(control)))
    return found[0], found[1]


def gbstats_interval(
    control: Moments, treatment: Moments, *, alpha: float = 0.05, tuned_at: float = 5_000.0, relative: bool = False
) -> tuple[Floats, Floats]:
    """The interval of GrowthBook's `SequentialTwoSidedTTest`, for whoever compares the two (gbstats 0.8.0).

    Two-sided: the two bounds together are wrong with probability `alpha`. No stratification, no minimum of events.
    `tuned_at`: its `sequential_tuning_parameter`. `relative`: the lift by the delta method, as gbstats does.

    >>> lower, upper = gbstats_interval(Moments(1_000, 0.3, 0.5), Moments(1_000, 0.4, 0.5))
    >>> round(float(lower), 4), round(float(upper), 4)
    (0.0012, 0.1988)
    """
    n, mean, variance = (np.asarray(part, np.float64) for part in control)
    n_new, mean_new, variance_new = (np.asarray(part, np.float64) for part in treatment)
    of_mean, of_new = variance / n, variance_new / n_new
    difference, total = mean_new - mean, of_mean + of_new
    if relative:
        difference, total = difference / mean, of_new / mean**2 + of_mean * mean_new**2 / mean**4
    information = -2 * np.log(alpha)
    rho = float(np.sqrt((information + np.log(information + 1)) / tuned_at))
    width = half_width(n + n_new, total, alpha, rho)
    return np.asarray(difference - width), np.asarray(difference + width)
