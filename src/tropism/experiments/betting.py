"""Exact bounds on the mean of bounded differences, from the wealth of a gambler who bets against a mean.

Nothing here is asymptotic: whatever the distribution, the error is at most alpha at every sample size. The price is
width, so this serves where the central limit theorem cannot be relied on yet: few observations, rare events.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023), section 4; bets
are the predictable plug-in ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput

Floats = NDArray[np.float64]
_SHARE = 0.5
"""Largest share of its wealth that the gambler can lose on one observation."""
_STEPS = 60


def log_wealth(differences: ArrayLike, bound: ArrayLike, mean: float = 0.0, *, alpha: float = 0.05) -> Floats:
    """Logarithm of the wealth, after each observation, of betting that the mean is above `mean`. Shape (n,).

    An e-process for "each difference has, given the past, a mean of at most `mean`": the chance that it ever passes
    log(1 / alpha) is at most alpha. `alpha` only tunes the bets.

    Args:
        differences: shape (n,), in the order in which they were made.
        bound: the largest size that each could have had, known before it was seen; one number or shape (n,).

    Raises:
        InvalidInput: a difference is beyond its bound.

    >>> bool(log_wealth([1.0] * 20, 1.0)[-1] > np.log(1 / 0.05))
    True
    """
    values, limits = _checked(differences, bound)
    return np.asarray(np.cumsum(_gains(values, limits, _bets(values, limits, alpha), mean)))


def betting_bounds(differences: ArrayLike, bound: ArrayLike, *, alpha: float = 0.05) -> tuple[float, float]:
    """Lower and upper bound of the mean of `differences`; each is wrong, at any time, with probability `alpha`.

    Arguments and errors as in `log_wealth`.

    >>> lower, upper = betting_bounds([0.5, -0.5] * 40, 1.0)
    >>> -0.5 < lower < 0 < upper < 0.5
    True
    """
    values, limits = _checked(differences, bound)
    return _lower(values, limits, alpha), -_lower(-values, limits, alpha)


def _checked(differences: ArrayLike, bound: ArrayLike) -> tuple[Floats, Floats]:
    values = np.asarray(differences, dtype=np.float64)
    limits = np.broadcast_to(np.asarray(bound, dtype=np.float64), values.shape)
    beyond = ~(np.abs(values) <= limits)
    if beyond.any():
        worst = int(np.argmax(beyond))
        raise InvalidInput(
            f"difference {worst} is larger than its bound",
            Fault("bound", str(float(limits[worst])), f"give one of at least {abs(float(values[worst]))}"),
        )
    return values, limits


def _bets(values: Floats, limits: Floats, alpha: float) -> Floats:
    """What to bet on each observation, from those before it only."""
    count = np.arange(1, len(values) + 1)
    prior = (limits[0] / 2) ** 2 if len(values) else 0.0
    mean = np.cumsum(values) / (count + 1)
    variance = (prior + np.cumsum((values - mean) ** 2)) / (count + 1)
    before = np.concatenate([[prior], variance[:-1]])
    return np.asarray(np.sqrt(2 * np.log(1 / alpha) / (np.maximum(before, 1e-300) * count * np.log1p(count))))


def _gains(values: Floats, limits: Floats, bets: Floats, mean: float) -> Floats:
    cap = _SHARE / np.maximum(limits + mean, 1e-300)
    return np.asarray(np.log1p(np.minimum(bets, cap) * (values - mean)))


def _lower(values: Floats, limits: Floats, alpha: float) -> float:
    """The mean at which the wealth falls to 1 / alpha. Wealth falls as the mean rises, so bisection finds it."""
    if not len(values):
        return -np.inf
    bets, target = _bets(values, limits, alpha), np.log(1 / alpha)
    low, high = -float(limits.max()), float(values.mean())
    if _gains(values, limits, bets, low).sum() < target:
        return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _gains(values, limits, bets, middle).sum() >= target:
            low = middle
        else:
            high = middle
    return low
