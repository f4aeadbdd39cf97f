"""Exact bounds for rates: the ratio of two of them, and one of them, at any look, however few events there are.

A gambler bets, day by day, on how the day's events divide between the variants. If the treatment's rate is r times
the control's, it gets the share q = n1 r / (n1 r + n0) of the day's events, with n0 and n1 units. The wealth of
betting on r' > r is the product over days of (q'/q)^(its events) ((1-q')/(1-q))^(the control's events). For
independent units with values in [0, 1] its mean is at most

    product of (1 + p1 (q'/q - 1))^n1 (1 + p0 ((1-q')/(1-q) - 1))^n0  <=  1,

as 1 + x <= e^x and p1 <= r p0. So the wealth passes 1 / alpha with probability alpha at most, whatever the rates are,
also when they change from day to day or the shares do. Nothing is asymptotic, and only counts by day are needed; a
day counts as a whole. For the rate of one variant, the mixture is that of Robbins (1970).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, logsumexp

Floats = NDArray[np.float64]
_TIMES = np.array([1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 6.0])
"""Ratios, over the one that is doubted, on which a part of the wealth is put each."""
_STEPS = 60
_FAR = 50.0
"""Logarithms of ratios beyond which none is looked for."""


def log_evidence(n: ArrayLike, events: ArrayLike, ratio: ArrayLike = 1.0) -> Floats:
    """Log wealth, after each day, of betting that the treatment's rate is more than `ratio` times the control's.

    Args:
        n: units by variant (control, treatment) and day, shape (..., 2, days).
        events: of the same shape, or sums of values in [0, 1].

    Returns:
        Shape (..., days).

    >>> bool(log_evidence([[1_000] * 3, [1_000] * 3], [[1, 0, 2], [9, 8, 9]])[-1] > np.log(1 / 0.05))
    True
    """
    gains = _gains(np.asarray(n, np.float64), np.asarray(events, np.float64), np.log(np.asarray(ratio, np.float64)))
    return np.asarray(logsumexp(gains.cumsum(axis=-1), axis=0) - np.log(len(_TIMES)))


def _gains(units: Floats, found: Floats, log_ratio: Floats | float) -> Floats:
    """What each day adds to the log wealth of each bet, shape (bets, ..., days)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(units[..., 1, :]) - np.log(units[..., 0, :]) + log_ratio
    usable = np.isfinite(odds)
    odds = np.where(usable, odds, 0.0)
    times = np.log(_TIMES).reshape(-1, *(1,) * odds.ndim)
    # log q = -log(1 + e^-odds), log(1 - q) = -log(1 + e^odds)
    treatment = np.logaddexp(0.0, -odds) - np.logaddexp(0.0, -odds - times)
    control = np.logaddexp(0.0, odds) - np.logaddexp(0.0, odds + times)
    return np.asarray(np.where(usable, found[..., 1, :] * treatment + found[..., 0, :] * control, 0.0))


def ratio_bounds(n: ArrayLike, events: ArrayLike, alpha: tuple[float, float]) -> tuple[float, float]:
    """Bounds of the treatment's rate over the control's, 0 and infinity where nothing is known yet.

    Arguments as in `log_evidence`, shape (2, days); `alpha`: error probability of the lower and of the upper bound.

    >>> lower, upper = ratio_bounds([[9_000], [1_000]], [[18], [9]], (0.05, 0.05))
    >>> 1.0 < lower < 4.5 < upper < 20
    True
    """
    units, found = np.asarray(n, np.float64), np.asarray(events, np.float64)
    lower = _lower(units, found, alpha[0])
    opposite = _lower(units[::-1], found[::-1], alpha[1])
    return lower, 1 / opposite if opposite > 0 else np.inf


def _lower(n: Floats, events: Floats, alpha: float) -> float:
    """Wealth falls as the ratio that is doubted rises, since the likelihood is concave in its logarithm."""
    from scipy.optimize import brentq  # slow to import, and not everybody who imports this needs it

    target = np.log(1 / alpha) + np.log(len(_TIMES))

    def beyond(log_ratio: float) -> float:
        return float(np.logaddexp.reduce(_gains(n, events, log_ratio).sum(axis=-1)) - target)

    if beyond(-_FAR) < 0:
        return 0.0
    if beyond(_FAR) >= 0:
        return float(np.exp(_FAR))
    return float(np.exp(brentq(beyond, -_FAR, _FAR, xtol=1e-14)))


def rate_bounds(n: float, events: float, alpha: float) -> tuple[float, float]:
    """Bounds of a rate; at any look, the two together are wrong with probability `alpha`.

    >>> lower, upper = rate_bounds(1_000, 3, 0.05)
    >>> 0 < lower < 0.003 < upper < 0.02
    True
    """
    won = float(betaln(events + 0.5, n - events + 0.5) - betaln(0.5, 0.5)) - np.log(1 / alpha)

    def possible(rate: float) -> bool:
        with np.errstate(divide="ignore"):
            yes = events * np.log(rate) if events else 0.0
            no = (n - events) * np.log1p(-rate) if n > events else 0.0
        return bool(yes + no > won)

    rate = events / n
    return _edge(possible, rate, 0.0), _edge(possible, rate, 1.0)


def _edge(possible: Callable[[float], bool], inside: float, outside: float) -> float:
    if possible(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if possible(middle) else (inside, middle)
    return outside
