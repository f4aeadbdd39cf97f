"""How much less a sequence of dependent values says about its mean than independent ones would."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
_MAX_CORRELATION = 0.97
_LEVEL = 0.975


def inflation(values: ArrayLike, cohorts: ArrayLike | None = None) -> float:
    """Variance of the mean of `values`, over what it would be if they were independent. Never below 1.

    The larger of two estimates. Serial: the long-run variance, prewhitened by a first-order autoregression and then
    weighted with Bartlett's window (Andrews and Monahan, 1992; Newey and West, 1987); the first autocorrelation is
    corrected for its bias in short series (Marriott and Pope, 1954). By day: the variance of the days' sums
    (Liang and Zeger, 1986), which holds for any dependence within a day. So few days say little of their own
    variance that it is widened as Student's t is, by a factor of 42 for two days, 1.7 for six, 1.1 for thirty.

    Args:
        values: shape (n,), in time order.
        cohorts: shape (n,), the day of each value; values of one day may be dependent in any way.

    >>> inflation([1.0, -1.0] * 50)
    1.0
    """
    data = np.asarray(values, dtype=np.float64)
    centred = data - data.mean() if len(data) else data
    scale = float(np.abs(centred).max()) if len(data) else 0.0
    if len(data) < 3 or scale == 0:
        return 1.0
    centred = centred / scale
    factors = [1.0, _serial(centred)]
    if cohorts is not None:
        factors.append(_by_day(centred, np.asarray(cohorts)))
    return max(factors)


def _serial(centred: Floats) -> float:
    n = len(centred)
    total = float(centred @ centred)
    raw = float(centred[1:] @ centred[:-1]) / total
    correlation = float(np.clip(raw + (1 + 4 * raw) / n, -_MAX_CORRELATION, _MAX_CORRELATION))
    rest = centred[1:] - correlation * centred[:-1]
    rest = rest - rest.mean()
    variance = float(rest @ rest)
    lags = int(4 * (n / 100) ** (2 / 9))
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(rest[lag:] @ rest[:-lag])
    return variance / (1 - correlation) ** 2 / total * n / (n - 1)


def _by_day(centred: Floats, days: NDArray[np.generic]) -> float:
    _, day = np.unique(days, return_inverse=True)
    sums = np.bincount(day, weights=centred)
    count = len(sums)
    if count < 2:
        return 1.0
    few = float(stdtrit(count - 1, _LEVEL) / ndtri(_LEVEL)) ** 2
    return few * float(sums @ sums) / float(centred @ centred) * count / (count - 1)
