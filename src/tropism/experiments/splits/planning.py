"""How many units, and so how many days, an experiment on split traffic needs, before it starts.

Power is that of all looks together: the probability that a Brownian motion with the effect's drift has passed the
bound at one of the daily looks, found by carrying the density of what has not passed yet from look to look
(Armitage, McPherson and Rowe, 1969). What the first events are waited for, skewness, and the exact bounds of rare
events are left out.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import ndtr, ndtri

from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.comparison import BETTING_SHARE
from tropism.experiments.confidence import radius, tuning
from tropism.experiments.splits.arms import Arm, checked
from tropism.experiments.splits.ratios import linearised

Floats = NDArray[np.float64]
MOST_DAYS = 1_000
_LOOKS = 150
"""Looks that the density is carried over; of longer experiments, only so many are counted."""
_GRID = 6
"""Points of the grid in a standard deviation of what a look adds."""


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard deviation of one unit's value in each variant; a ratio's is that of its linear form."""

    control: float
    treatment: float


class SplitPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`units`: of both variants. `days`: of exposure. `days_until_decided`: and the wait for the last outcomes.

    `power`: to find the effect by then. `tuned_at`: what to give `analyse` as `plan`.
    """

    units: int
    units_control: int
    units_treatment: int
    days: int
    days_until_decided: float
    power: float
    tuned_at: int
    alpha: float
    sequential: bool


def spread_of(kind: Literal["mean", "proportion", "ratio"], before: Arm, effect: float = 0.0) -> Spread:
    """The spread to plan with, from units measured before the experiment. `effect`: on a proportion, absolute.

    >>> spread_of("proportion", Arm([0, 0, 0, 1] * 10), 0.25)
    Spread(control=0.4330127018922193, treatment=0.5)
    """
    arm = checked(Metric(name="plan", kind=kind, over="over" if kind == "ratio" else ""), "before", before)
    if kind == "proportion":
        rates = float(arm.values.mean()), float(arm.values.mean()) + effect
        if not all(0 < rate < 1 for rate in rates):
            raise InvalidInput("not a rate", Fault("effect", str(effect), "keep both rates between 0 and 1"))
        return Spread(control=sqrt(rates[0] * (1 - rates[0])), treatment=sqrt(rates[1] * (1 - rates[1])))
    values = linearised(arm.values, arm.over, np.ones(len(arm.over))) if kind == "ratio" else arm.values
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Spread(control=deviation, treatment=deviation)


def plan_split(
    effect: float,
    spread: Spread,
    *,
    kind: Literal["mean", "proportion", "ratio"] = "mean",
    per_day: float,
    share: float = 0.5,
    alpha: float = 0.05,
    power_wanted: float = 0.8,
    sequential: bool = True,
    delay_days: float = 0.0,
    tuned_at: int | None = None,
) -> SplitPlan:
    """Fewest days after which an improvement of `effect` is found with the power wanted.

    Args:
        effect: absolute difference of the two variants, in the metric's unit; a metric's margin already taken off.
        per_day: units exposed in a day, both variants together.
        share: of the treatment in them.
        alpha: one-sided error probability.
        sequential: decide at the first daily look that allows it; otherwise once, at the end, by a z test.
        delay_days: from an exposure to the end of its outcome window.
        tuned_at: the `plan` that `analyse` will be given; None for the one that makes this shortest.

    Raises:
        InvalidInput: an argument makes no sense, or no plan within 1,000 days finds the effect.

    >>> plan = plan_split(0.1, Spread(control=1, treatment=1), per_day=500, sequential=False)
    >>> plan.units, plan.days
    (2500, 5)
    """
    level = alpha * (1 - BETTING_SHARE) if kind == "proportion" and sequential else alpha
    _check(effect, spread, per_day, share, alpha, power_wanted, delay_days)
    noise = sqrt(spread.control**2 / (1 - share) + spread.treatment**2 / share)
    drift = effect / noise
    needed = ((ndtri(power_wanted) - ndtri(level)) / drift) ** 2
    tuned, found = needed, (ceil(needed / per_day), power_wanted)
    if sequential:
        # What the bound is tuned at is where half of the way is done, and that depends on the way.
        for _ in range(0 if tuned_at else 3):
            found = _days(drift, per_day, level, tuned, power_wanted)
            tuned = max(1.0, 0.6 * found[0] * per_day)
        tuned = tuned_at or tuned
        found = _days(drift, per_day, level, tuned, power_wanted)
    elif found[0] <= MOST_DAYS:
        found = found[0], float(ndtr(drift * sqrt(found[0] * per_day) + ndtri(level)))
    days, power = found
    if days > MOST_DAYS or power < power_wanted:
        fix = f"give more traffic or look for a larger effect: {MOST_DAYS} days are not enough"
        raise InvalidInput("the effect is out of reach", Fault("effect", str(effect), fix))
    units = ceil(days * per_day)
    return SplitPlan(
        units=units,
        units_control=units - round(units * share),
        units_treatment=round(units * share),
        days=days,
        days_until_decided=days + delay_days,
        power=power,
        tuned_at=max(1, round(tuned)),
        alpha=alpha,
        sequential=sequential,
    )


def _days(drift: float, per_day: float, alpha: float, tuned: float, wanted: float) -> tuple[int, float]:
    """Fewest days whose power is at least `wanted`, and that power; the search doubles, then carries day by day."""
    days = 8
    while days < MOST_DAYS and _passed(drift, per_day, alpha, tuned, days)[-1] < wanted:
        days = min(days * 2, MOST_DAYS)
    passed = _passed(drift, per_day, alpha, tuned, days)
    step = days / len(passed)
    look = int(np.searchsorted(passed, wanted))
    if look == len(passed):
        return MOST_DAYS + 1, 0.0
    return ceil((look + 1) * step), float(passed[look])


def _passed(drift: float, per_day: float, alpha: float, tuned: float, days: int) -> Floats:
    """Probability of having passed the bound, after each look. Sums are in standard deviations of one unit."""
    looks = min(days, _LOOKS)
    units = per_day * days / looks * np.arange(1, looks + 1)
    bounds = units * radius(units, alpha, tuning(tuned, alpha, one_sided=True), one_sided=True)
    error = sqrt(units[0])
    width = error / _GRID
    low = min(0.0, drift * units[-1]) - 6 * sqrt(units[-1])
    grid = np.arange(low, float(bounds.max()) + width, width)
    # A step of one look, on the grid's own spacing.
    half = ceil(8 * _GRID + abs(drift) * units[0] / width)
    steps = np.arange(-half, half + 1) * width
    step = np.exp(-(((steps - drift * units[0]) / error) ** 2) / 2)
    step /= step.sum()
    density = np.exp(-(((grid - drift * units[0]) / error) ** 2) / 2)
    density /= _GRID * sqrt(2 * np.pi)
    left = []
    for look, bound in enumerate(bounds):
        if look:
            density = fftconvolve(density, step, mode="same")
        # The point next to the bound counts by how much of its width lies below.
        density = density * np.clip((bound - grid) / width + 0.5, 0.0, 1.0)
        left.append(float(density.sum()))
    return np.maximum.accumulate(1 - np.minimum(np.array(left), 1.0))


def _check(
    effect: float, spread: Spread, per_day: float, share: float, alpha: float, power: float, delay_days: float
) -> None:
    faults = []
    for name, value, top in (("effect", effect, np.inf), ("per_day", per_day, np.inf), ("share", share, 1.0),
                             ("alpha", alpha, 0.5), ("power_wanted", power, 1.0)):  # fmt: skip
        if not 0 < value < top:
            limit = "a positive number" if top == np.inf else f"one between 0 and {top}"
            faults.append(Fault(name, str(value), f"use {limit}"))
    if not (spread.control > 0 and spread.treatment > 0 and spread.control + spread.treatment < np.inf):
        faults.append(Fault("spread", str(spread), "use positive numbers"))
    if not 0 <= delay_days < np.inf:
        faults.append(Fault("delay_days", str(delay_days), "use 0 or more"))
    if faults:
        raise InvalidInput("a plan cannot be made", *faults)
