"""Confidence sequences: bounds on a mean that hold at every sample size at once.

An interval of the usual kind is right at one sample size chosen beforehand. Whoever looks again and again, and
stops when it pleases him, needs bounds of which *all* hold together with the stated confidence. These do, by the
central limit theorem, for any distribution with a variance.

Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (2021; Annals of Statistics, 2024): equation 9 for the two-sided form, appendix B for the
one-sided form and for the choice of the tuning parameter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw

from tropism.core.errors import Fault, InvalidInput

Floats = NDArray[np.float64]


class Sequence(NamedTuple):
    """A mean and its bounds after each observation, each of shape (n,)."""

    mean: Floats
    lower: Floats
    upper: Floats


def tuning(plan: float, alpha: float, *, one_sided: bool = False) -> float:
    """The parameter rho that makes a sequence tightest at `plan` observations.

    Raises:
        InvalidInput: `plan` is not positive, or `alpha` not between 0 and 1 (1/2 for one side).

    >>> round(tuning(300, 0.05, one_sided=True), 4)
    0.1488
    """
    level = 2 * alpha if one_sided else alpha
    if not plan > 0:
        raise InvalidInput("a plan needs observations", Fault("plan", str(plan), "use a positive number"))
    if not 0 < level < 1:
        limit = "0.5" if one_sided else "1"
        raise InvalidInput("not an error probability", Fault("alpha", str(alpha), f"use one between 0 and {limit}"))
    best = -float(np.real(lambertw(-(level**2) / np.e, -1))) - 1
    return float(np.sqrt(best / plan))


def radius(n: ArrayLike, alpha: float, rho: float, *, one_sided: bool = False) -> Floats:
    """Distance from the mean to its bound after `n` observations, in standard deviations of one observation.

    With `one_sided`, the error probability of that one bound is `alpha`; otherwise that of the two together.

    >>> bool(radius(100, 0.05, 0.2) > 1.96 / 100**0.5)
    True
    """
    count = np.asarray(n, dtype=np.float64)
    spread = count * rho**2 + 1
    crossing = 1 + np.sqrt(spread) / (2 * alpha) if one_sided else np.sqrt(spread) / alpha
    return np.asarray(np.sqrt(2 * spread * np.log(crossing)) / (count * rho), dtype=np.float64)


def asymptotic(
    values: ArrayLike, *, alpha: float = 0.05, plan: float = 300, one_sided: bool = False, inflation: float = 1.0
) -> Sequence:
    """The asymptotic confidence sequence of the mean of `values` (shape (n,)), in their order.

    `inflation` multiplies the variance, for values that depend on one another. With `one_sided` each of the two
    bounds is wrong with probability `alpha`, otherwise the two together. The first observation has no bounds.

    >>> path = asymptotic([0.2, 0.4, 0.3, 0.5, 0.1])
    >>> round(float(path.mean[-1]), 2), bool(path.lower[-1] < 0.3 < path.upper[-1])
    (0.3, True)
    """
    data = np.asarray(values, dtype=np.float64)
    count = np.arange(1, len(data) + 1)
    mean = np.cumsum(data) / count
    centred = data - (data[0] if len(data) else 0.0)
    squares = np.cumsum(centred**2) - np.cumsum(centred) ** 2 / count
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(np.maximum(squares, 0) / (count - 1) * inflation)
    width = deviation * radius(count, alpha, tuning(plan, alpha, one_sided=one_sided), one_sided=one_sided)
    width[:1] = np.inf
    return Sequence(mean, mean - width, mean + width)
