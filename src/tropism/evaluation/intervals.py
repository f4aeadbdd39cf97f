"""A metric with its 95% confidence interval. Rows are taken as independent; where losses come in spells, the
intervals are too narrow, and promotion does not rest on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from tropism.evaluation.losses import Floats

Scale = Callable[[float, float], "Interval"]
Z = 1.959963984540054
"""The 97.5% point of the normal distribution."""


class Interval(msgspec.Struct, frozen=True):
    """A value and the bounds of its 95% confidence interval."""

    value: float
    low: float
    high: float


def normal(value: float, error: float, low: float = -math.inf, high: float = math.inf) -> Interval:
    """value ± 1.96 standard errors, cut to the metric's range."""
    return Interval(value, max(low, value - Z * error), min(high, value + Z * error))


def mean(values: Floats, low: float = -math.inf) -> Interval:
    """The mean of at least two values (n,).

    >>> mean(np.array([1.0, 1.0]))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    return normal(float(np.mean(values)), _error(values), low)


def proportion(successes: int, trials: int) -> Interval:
    """Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.

    >>> interval = proportion(9, 10)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.5958, 0.9821)
    """
    share, z2 = successes / trials, Z * Z
    center = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return Interval(share, max(0.0, min(center - half, share)), min(1.0, max(center + half, share)))


def smooth(value: float, influence: Floats, low: float = -math.inf, high: float = math.inf) -> Interval:
    """A smooth function of means, by the delta method.

    `influence` (n,): how much each row moves the value, to first order, times n. Hampel, The Influence Curve and
    its Role in Robust Estimation, JASA 69, 1974.
    """
    return normal(value, _error(influence), low, high)


def on_log_odds(value: float, error: float) -> Interval:
    """An interval for a value between 0 and 1 that is symmetric on the scale of log odds, and so stays within.

    Recommended for average precision by Boyd, Eng, Page, Area under the Precision-Recall Curve, ECML 2013.
    """
    if not 0.0 < value < 1.0:
        return normal(value, error, 0.0, 1.0)
    odds, reach = value / (1 - value), math.exp(min(Z * error / (value * (1 - value)), 700.0))
    return Interval(value, odds / (odds + reach), 1 - 1 / (1 + odds * reach))


def resampled(statistic: Callable[[Floats], float], rows: int, seed: int, scale: Scale = normal) -> Interval:
    """A statistic between 0 and 1, by the bootstrap's standard error, which `scale` turns into an interval.

    `statistic` takes the number of times that each row counts (rows,). Efron, Bootstrap Methods, Ann. Stat. 7, 1979.
    The percentiles themselves are not used: some statistics, such as the calibration error, grow when resampled.
    """
    rng = np.random.default_rng(seed)
    replicates = int(np.clip(20_000_000 // rows, 50, 200))
    drawn = np.empty(replicates)
    for index in range(replicates):
        counts = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        drawn[index] = statistic(counts.astype(np.float64))
    found = scale(statistic(np.ones(rows)), float(np.std(drawn, ddof=1)))
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high))


def _error(values: Floats) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))
