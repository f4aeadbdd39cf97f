"""Does the effect wear off, or grow? The differences of the exposure days, early against late, and their trend.

Told beside a verdict; it decides nothing, and its intervals are those of one look, not of all looks together.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.splits.arms import Arm, checked
from tropism.experiments.splits.cells import Estimate, Tally
from tropism.experiments.splits.measures import unit_cells

Floats = NDArray[np.float64]
FEWEST_DAYS = 4
_FEWEST_UNITS = 10
"""Units of each variant in a day, for the day's variance to be relied on."""


class Novelty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`early`, `late`: difference, treatment - control, of the first and the second half of the days.

    `change`: late - early, with its bounds. `trend`: of the daily differences, by day, with its bounds. All None with
    fewer than four days to compare. `changes`: whether the trend or the change is away from 0; the two share alpha.
    """

    days: int
    early: float | None
    late: float | None
    change: float | None
    change_lower: float | None
    change_upper: float | None
    trend: float | None
    trend_lower: float | None
    trend_upper: float | None
    changes: bool
    alpha: float


def novelty(metric: Metric, control: Arm, treatment: Arm, *, alpha: float = 0.05) -> Novelty:
    """Whether those exposed early are affected differently from those exposed later.

    Days with fewer than ten units of either variant are left out.

    Raises:
        InvalidInput: see `arms.checked`; or a quantile, whose days cannot be told apart this way.

    >>> rng, day = np.random.default_rng(0), np.repeat(np.arange(10), 200)
    >>> old, new = rng.normal(size=2_000), rng.normal(size=2_000) + 1 - day / 10
    >>> found = novelty(Metric(name="spent", goal="increase"), Arm(old, day=day), Arm(new, day=day))
    >>> found.changes, found.trend < 0
    (True, True)
    """
    if metric.kind == "quantile":
        fix = "use a mean, a proportion or a ratio"
        raise InvalidInput("a quantile has no daily differences", Fault(f"{metric.name}.kind", "quantile", fix))
    if not 0 < alpha < 1:
        raise InvalidInput("not an error probability", Fault("alpha", str(alpha), "use one between 0 and 1"))
    arms = checked(metric, "control", control), checked(metric, "treatment", treatment)
    days = _full_days(arms[0].day, arms[1].day)
    nothing = Novelty(
        days=len(days), early=None, late=None, change=None, change_lower=None, change_upper=None,
        trend=None, trend_lower=None, trend_upper=None, changes=False, alpha=alpha,
    )  # fmt: skip
    if len(days) < FEWEST_DAYS:
        return nothing
    table, _ = unit_cells(metric, (arms[0].at(np.isin(arms[0].day, days)), arms[1].at(np.isin(arms[1].day, days))))
    # Each day as an estimate of its own: the day's axis is moved before the variant's.
    daily = Estimate.of(Tally(*(np.moveaxis(part, -1, -2) for part in Tally.of(table))))
    return _compared(nothing, days.astype(np.float64), daily)


def _full_days(control: NDArray[np.int64], treatment: NDArray[np.int64]) -> NDArray[np.int64]:
    (own, units), (other, others) = (np.unique(day, return_counts=True) for day in (control, treatment))
    return np.intersect1d(own[units >= _FEWEST_UNITS], other[others >= _FEWEST_UNITS])


def _compared(nothing: Novelty, days: Floats, daily: Estimate) -> Novelty:
    half = len(days) // 2
    weights = daily.units / daily.units.sum()
    parts = [(_mean(daily, weights, rows)) for rows in (slice(None, half), slice(half, None))]
    (early, early_variance), (late, late_variance) = parts
    away = days - weights @ days
    pull = weights * away / (weights @ away**2)
    trend, trend_error = float(pull @ daily.difference), float(np.sqrt(pull**2 @ daily.variance))
    # Two questions share alpha, two sides each.
    reach = -float(ndtri(nothing.alpha / 4))
    change, error = late - early, float(np.sqrt(early_variance + late_variance))
    return msgspec.structs.replace(
        nothing,
        early=early,
        late=late,
        change=change,
        change_lower=change - reach * error,
        change_upper=change + reach * error,
        trend=trend,
        trend_lower=trend - reach * trend_error,
        trend_upper=trend + reach * trend_error,
        changes=abs(change) > reach * error or abs(trend) > reach * trend_error,
    )


def _mean(daily: Estimate, weights: Floats, rows: slice) -> tuple[float, float]:
    """Weighted mean of some days' differences, and its variance."""
    share = weights[rows] / weights[rows].sum()
    return float(share @ daily.difference[rows]), float(share**2 @ daily.variance[rows])
