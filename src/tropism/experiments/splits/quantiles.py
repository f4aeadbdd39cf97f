"""Quantiles of two variants, and bounds on their difference and their ratio that hold at every look.

Whether a unit lies below a variant's true quantile is a coin of known probability, whatever the distribution; so the
number of units below any other threshold says whether that one can be the quantile. The evidence is the beta
mixture of Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
identification" (2022), section 3, one-sided. For a difference, both variants' thresholds are doubted at once, and
what survives for no threshold of the control is ruled out: tighter than two separate bounds, and valid as the least
of products of independent e-processes. Exact where each variant's share of the traffic is the same on all days.

Where shares change, units are weighted so that both variants have the same mix of days, and counts are those of
equally informative unweighted units (Kish, 1965): an approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaln

from tropism.experiments.confidence import tuning

Floats = NDArray[np.float64]
Combine = Callable[[Floats, Floats], Floats]
_WINDOW = 10.0
"""Standard errors around a quantile within which a bound on a difference is decided."""


class Ordered(NamedTuple):
    """Units of one variant in order of value. `below`: effective number of units up to and with each, shape (n,)."""

    values: Floats
    below: Floats

    @classmethod
    def of(cls, values: Floats, weights: Floats) -> Ordered:
        order = np.argsort(values, kind="stable")
        weight = weights[order]
        count = float(weight.sum()) ** 2 / float(weight @ weight)
        return cls(values[order], weight.cumsum() * (count / float(weight.sum())))

    @property
    def size(self) -> float:
        """Effective number of units."""
        return float(self.below[-1])

    def quantile(self, level: float) -> float:
        place = int(np.searchsorted(self.below, level * self.size * (1 - 1e-12)))
        return float(self.values[min(place, len(self.values) - 1)])


def day_weights(day: NDArray[np.int64], other: NDArray[np.int64]) -> Floats:
    """Weight of each unit of a variant, so that it has the mix of days of both together; 0 where the other has none.

    >>> day_weights(np.array([1, 1, 2]), np.array([1, 2, 2, 3]))
    array([1.5, 1.5, 3. ])
    """
    known = np.unique(np.concatenate([day, other]))
    place = np.searchsorted(known, day)
    mine = np.bincount(place, minlength=len(known)).astype(np.float64)
    theirs = np.bincount(np.searchsorted(known, other), minlength=len(known)).astype(np.float64)
    weight = np.where((mine > 0) & (theirs > 0), (mine + theirs) / np.maximum(mine, 1), 0.0)
    return np.asarray(weight[place])


def lower_bound(
    control: Ordered, treatment: Ordered, level: float, alpha: float, plan: float, *, relative: bool = False
) -> float:
    """Lower bound of the treatment's quantile minus the control's, or over it; -inf where nothing is known yet.

    >>> rng = np.random.default_rng(0)
    >>> a, b = (Ordered.of(rng.normal(mean, 1, 2_000), np.ones(2_000)) for mean in (0.0, 1.0))
    >>> 0.5 < lower_bound(a, b, 0.5, 0.05, 4_000) < 1.0
    True
    """
    return _least(control, treatment, level, alpha, plan, np.divide if relative else np.subtract)


def upper_bound(
    control: Ordered, treatment: Ordered, level: float, alpha: float, plan: float, *, relative: bool = False
) -> float:
    """Upper bound; arguments as in `lower_bound`."""
    least = lower_bound(treatment, control, level, alpha, plan, relative=relative)
    if not relative:
        return -least
    return 1 / least if least > 0 else np.inf


def _least(control: Ordered, treatment: Ordered, level: float, alpha: float, plan: float, combine: Combine) -> float:
    """The least difference over all thresholds of the control that are not ruled out together with it."""
    share = control.size / (control.size + treatment.size)
    thresholds, before = _thresholds(control, level)
    high = _evidence(before, control.size, level, tuning(plan * share, alpha))
    # What the treatment must show against a threshold, for the pair to be ruled out.
    needed = np.log(1 / alpha) - high
    limits, under = _thresholds(treatment, level)
    low = _evidence(treatment.size - under, treatment.size, 1 - level, tuning(plan * (1 - share), alpha))
    # `low` falls along the limits: the last that still shows enough is where the threshold may go no further.
    last = np.searchsorted(-low, -needed, side="right") - 1
    if ((last < 0) & (needed > np.log(0.5))).any():
        return -np.inf
    # Where every threshold of the treatment is ruled out, the pair bounds nothing.
    bounding = (needed > np.log(0.5)) & (limits[last] < np.inf)
    return float(combine(limits[last[bounding]], thresholds[bounding]).min(initial=np.inf))


def _thresholds(ordered: Ordered, level: float) -> tuple[Floats, Floats]:
    """Thresholds that can matter, and the units below each; beyond the last unit it is infinite."""
    middle, error = level * ordered.size, np.sqrt(level * (1 - level) * ordered.size)
    first, end = np.searchsorted(ordered.below, [middle - _WINDOW * error, middle + _WINDOW * error])
    values, below = np.append(ordered.values, np.inf), np.insert(ordered.below, 0, 0.0)
    return values[first : end + 2], below[first : end + 2]


def _evidence(below: Floats, count: float, level: float, rho: float) -> Floats:
    """Log evidence that more than a share `level` lies below; half the wealth is kept aside, so never under log 1/2."""
    strength = 1 / rho**2
    first, second = level * strength, (1 - level) * strength
    above = np.maximum(count - below, 0.0)
    with np.errstate(divide="ignore"):
        tail = np.log(betaincc(below + first, above + second, level)) - np.log(betaincc(first, second, level))
    mixture = betaln(below + first, above + second) - betaln(first, second) + tail
    return np.asarray(np.logaddexp(0.0, mixture - below * np.log(level) - above * np.log1p(-level)) - np.log(2))
