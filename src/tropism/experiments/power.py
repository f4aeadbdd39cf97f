"""How many outcomes a comparison needs, before it starts.

Computed for one look at the end of the plan. Looking earlier can only decide earlier, so the power over all looks
is a little higher than what is said here.
"""

from __future__ import annotations

from math import inf, sqrt

from scipy.special import ndtr

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.confidence import radius, tuning

MOST = 10_000_000
"""Outcomes beyond which an effect is taken to be out of reach."""


def power(
    n: int,
    effect: float,
    deviation: float,
    *,
    alpha: float = 0.05,
    margin: float = 0.0,
    inflation: float = 1.0,
    plan: int | None = None,
) -> float:
    """Probability that `n` outcomes show a challenger to be better whose loss is lower by `effect`.

    Args:
        deviation: standard deviation of the differences in loss.
        inflation: of the variance, for differences that depend on one another.
        plan: outcomes at which the bound is tightest; `n` when left out.

    >>> round(power(300, 0.25, 1.0), 2)
    0.94
    """
    if not deviation > 0:
        raise InvalidInput("no spread, no power", Fault("deviation", str(deviation), "use a positive number"))
    reach = float(radius(n, alpha, tuning(plan or n, alpha, one_sided=True), one_sided=True))
    return float(ndtr(sqrt(n) * ((effect - margin) / (deviation * sqrt(inflation)) - reach)))


def outcomes_needed(
    effect: float,
    deviation: float,
    *,
    alpha: float = 0.05,
    power_wanted: float = 0.8,
    margin: float = 0.0,
    inflation: float = 1.0,
) -> float:
    """Fewest outcomes whose power for `effect` is at least `power_wanted`; infinity when out of reach.

    >>> 150 < outcomes_needed(0.25, 1.0) < 300
    True
    """
    if not 0 < power_wanted < 1:
        raise InvalidInput("not a power", Fault("power_wanted", str(power_wanted), "use one between 0 and 1"))
    low, high = 1, 2

    def enough(n: int) -> bool:
        return power(n, effect, deviation, alpha=alpha, margin=margin, inflation=inflation) >= power_wanted

    while not enough(high):
        low, high = high, high * 2
        if high > MOST:
            return inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
