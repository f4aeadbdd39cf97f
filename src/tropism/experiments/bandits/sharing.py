"""The shares of a bandit's variants, from what was measured of their units in each stretch of time.

Rewards of different days are not alike, and while the shares move, a variant that had more of a good day would seem
better. So effects are estimated within strata, by least squares of reward on stratum and variant (the intra-block
analysis of an incomplete block design: Yates, 1940): with N the units of each variant in each stratum, the
information on the effects is diag(sum N) - sum N N' / n, and everything needed is counts and sums of the strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from tropism.core.bandit import BanditSettings
from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.bandits.deciding import greedy
from tropism.experiments.places import PLACES

Floats = NDArray[np.float64]
FEWEST = 10
"""Units of each variant before shares move."""
_DRAWS = 20_000


class Cells(NamedTuple):
    """Units of k variants in s strata, the sums of their values, and the sum of squares around each cell's mean.

    Shapes (k, s), (k, s) and a number.
    """

    units: Floats
    total: Floats
    within: float

    @property
    def rows(self) -> int:
        """Units of all cells."""
        return int(self.units.sum())


class Effects(NamedTuple):
    """How much better each variant is than the average of all, in the reward's units: estimates (k,), their
    covariance (k, k), and the standard deviation of one unit's reward."""

    means: Floats
    covariance: Floats
    deviation: float


def cells(values: Sequence[ArrayLike], strata: Sequence[ArrayLike]) -> Cells:
    """From the values of each variant's units (n,) and the stratum of each (n,), whole numbers.

    >>> found = cells([[1.0, 0.0], [1.0]], [[3, 3], [3]])
    >>> found.units.tolist(), found.total.tolist(), found.within
    ([[2.0], [1.0]], [[1.0], [1.0]], 0.5)
    """
    own = [np.asarray(one, dtype=np.float64) for one in values]
    keys = [np.asarray(one, dtype=np.int64) for one in strata]
    known = np.unique(np.concatenate(keys)) if keys else np.empty(0, dtype=np.int64)
    count, total = np.zeros((2, len(own), len(known)))
    within = 0.0
    for arm, (value, key) in enumerate(zip(own, keys, strict=True)):
        place = np.searchsorted(known, key)
        count[arm] = np.bincount(place, minlength=len(known))
        total[arm] = np.bincount(place, value, minlength=len(known))
        within += float(((value - (total[arm] / np.maximum(count[arm], 1))[place]) ** 2).sum())
    return Cells(count, total, within)


def effects(found: Cells) -> Effects:
    """Least squares within strata. One unit's worth of belief in no difference keeps what is not known yet at 0.

    >>> found = effects(cells([[1.0] * 50 + [0.0] * 50, [0.0] * 100], [[0] * 100, [0] * 100]))
    >>> found.means.round(3).tolist()
    [0.248, -0.248]
    """
    k = len(found.units)
    size = np.maximum(found.units.sum(axis=0), 1.0)
    information = np.diag(found.units.sum(axis=1)) - (found.units / size) @ found.units.T + np.eye(k)
    right = found.total.sum(axis=1) - (found.units / size) @ found.total.sum(axis=0)
    inverse = np.linalg.inv(information)
    used = int((found.units > 0).sum())
    deviation = float(np.sqrt(found.within / max(found.rows - used, 1)))
    return Effects(inverse @ right, deviation**2 * inverse, deviation)


def chances(settings: BanditSettings, found: Cells, start: ArrayLike) -> Floats:
    """How likely each variant should be chosen, shape (k,), before the floor; `start` while too little is known.

    Rewards are such that more is better.
    """
    begun = np.asarray(start, dtype=np.float64)
    if (found.units.sum(axis=1) < FEWEST).any():
        return begun
    known = effects(found)
    if known.deviation == 0.0:
        return begun if np.ptp(known.means) == 0.0 else greedy(known.means)
    if settings.policy == "epsilon-greedy":
        return greedy(known.means)
    if settings.policy == "softmax":
        scaled = known.means / known.deviation / settings.temperature
        weights = np.exp(scaled - scaled.max())
        return np.asarray(weights / weights.sum())
    return _best(known)


def _best(known: Effects) -> Floats:
    """The probability of each effect to be the largest."""
    means, covariance = known.means, known.covariance
    if len(means) == 2:
        spread = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        first = float(ndtr((means[0] - means[1]) / spread))
        return np.array([first, 1.0 - first])
    drawn = np.random.default_rng(0).standard_normal((_DRAWS, len(means))) @ np.linalg.cholesky(covariance).T + means
    return np.bincount(drawn.argmax(axis=1), minlength=len(means)) / _DRAWS


def floored(wanted: ArrayLike, floor: float, least: Sequence[int] = ()) -> Floats:
    """Chances (k,) of which each is at least `floor`, in whole ten-thousandths; those in `least` have no more.

    Raises:
        InvalidInput: the floors leave nothing.

    >>> floored([0.9, 0.1, 0.0], 0.05).tolist(), floored([0.2, 0.8], 0.05, least=[1]).tolist()
    ([0.815, 0.135, 0.05], [0.95, 0.05])
    """
    own = np.array(wanted, dtype=np.float64)
    k = len(own)
    if not floor * k < 1:
        raise InvalidInput("floors that leave nothing", Fault("floor", str(floor), f"use less than {1 / k:.4g}"))
    own[list(least)] = 0.0
    if own.sum() <= 0.0:
        own[[place for place in range(k) if place not in least] or 0] = 1.0
    exact = PLACES * (floor + (1 - k * floor) * own / own.sum())
    whole = np.floor(exact + 1e-9)
    for place in np.argsort(whole - exact, kind="stable")[: PLACES - int(whole.sum())]:
        whole[place] += 1
    return np.asarray(whole / PLACES)
