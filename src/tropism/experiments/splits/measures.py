"""How each kind of metric is estimated and bounded, from the units of the days that two variants share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.comparison import BETTING_SHARE, MIN_EVENTS
from tropism.experiments.cuped import adjust
from tropism.experiments.splits import quantiles, rare
from tropism.experiments.splits.arms import Checked
from tropism.experiments.splits.cells import Cells, Estimate, Tally, cells
from tropism.experiments.splits.intervals import difference_bounds, lift_bounds
from tropism.experiments.splits.ratios import linearised

Floats = NDArray[np.float64]
Pair = tuple[Checked, Checked]
Bounds = tuple[float, float]
NOTHING: Bounds = (-np.inf, np.inf)
RATIO_SHARE = 0.9
"""Part of the exact bounds' alpha for the ratio of two rates; the rest is for the control's rate."""


class Measured(NamedTuple):
    """Values of (control, treatment); bounds of their difference and of its share of the control's size.

    `kept`: share of the variance that a covariate left, None without one. `exact`: whether the bounds, or the tighter
    of two kinds, are not asymptotic.
    """

    values: tuple[float, float]
    events: tuple[int, int]
    difference: Bounds
    lift: Bounds
    exact: bool
    kept: float | None = None


class Asked(NamedTuple):
    """`alpha`: error probability of the lower and of the upper bound of the difference."""

    metric: Metric
    alpha: tuple[float, float]
    plan: int


def measured(asked: Asked, pair: Pair) -> Measured:
    """Both variants' units of the days that they share."""
    if asked.metric.kind == "quantile":
        return _quantile(asked, pair)
    table, kept = unit_cells(asked.metric, pair)
    estimate = Estimate.of(Tally.of(table).summed())
    values = float(estimate.means[0]), float(estimate.means[1])
    if asked.metric.kind == "proportion":
        return _proportion(asked, pair, estimate)._replace(values=values, kept=kept)
    found = Measured(values, _events(asked.metric, pair), NOTHING, NOTHING, False, kept)
    return _asymptotic(found, estimate, asked.alpha, asked.plan)


def unit_cells(metric: Metric, pair: Pair) -> tuple[Cells, float | None]:
    """Cells of the numbers whose means are compared, and the share of their variance that a covariate left."""
    values, kept = _numbers(metric, pair), None
    if len(pair[0].covariate) != len(pair[0].values) or len(pair[1].covariate) != len(pair[1].values):
        if len(pair[0].covariate) or len(pair[1].covariate):
            fix = "give it for both variants, or for neither"
            raise InvalidInput("one variant has no covariate", Fault(f"{metric.name}.covariate", "one of two", fix))
    else:
        n, known = len(values[0]), np.concatenate([one.covariate for one in pair])
        adjusted, kept = adjust(np.concatenate(values), known, groups=_strata(pair))
        values = adjusted[:n], adjusted[n:]
    return cells(values, (pair[0].day, pair[1].day)), kept


def _strata(pair: Pair) -> NDArray[np.int64]:
    """The cell of each unit of both: its variant and its day."""
    days = np.concatenate([one.day for one in pair])
    variant = np.repeat([0, 1], [len(one.day) for one in pair])
    return np.asarray(np.unique(days, return_inverse=True)[1] * 2 + variant, dtype=np.int64)


def _numbers(metric: Metric, pair: Pair) -> tuple[Floats, Floats]:
    if metric.kind != "ratio":
        return pair[0].values, pair[1].values
    field = f"{metric.name}.over"
    control, treatment = (
        linearised(one.values, one.over, quantiles.day_weights(one.day, other.day), field)
        for one, other in (pair, pair[::-1])
    )
    return control, treatment


def _events(metric: Metric, pair: Pair) -> tuple[int, int]:
    """n over the kurtosis, in each variant."""
    control, treatment = (_carried(values) for values in _numbers(metric, pair))
    return control, treatment


def _carried(values: Floats) -> int:
    away = values - values.mean()
    largest = float(np.abs(away).max())
    if largest <= 1e-12 * float(np.abs(values).max()):
        return 0
    squares = (away / largest) ** 2
    return int(float(squares.sum()) ** 2 / float(squares @ squares) + 1e-9)


def _asymptotic(found: Measured, estimate: Estimate, alpha: tuple[float, float], plan: int) -> Measured:
    if min(found.events) < MIN_EVENTS:
        return found
    lower, upper = difference_bounds(estimate, alpha, plan)
    return found._replace(difference=(float(lower), float(upper)), lift=lift_bounds(estimate, alpha, plan))


def _proportion(asked: Asked, pair: Pair, estimate: Estimate) -> Measured:
    """The asymptotic bounds and the exact ones, the tighter of each."""
    ones = [int(one.values.sum()) for one in pair]
    control, treatment = (min(k, len(one.values) - k) for k, one in zip(ones, pair, strict=True))
    alpha = asked.alpha[0] * (1 - BETTING_SHARE), asked.alpha[1] * (1 - BETTING_SHARE)
    about = _asymptotic(Measured((0, 0), (control, treatment), NOTHING, NOTHING, False), estimate, alpha, asked.plan)
    table = cells((pair[0].values, pair[1].values), (pair[0].day, pair[1].day))
    difference, lift = exact_bounds(
        table.n, table.n * table.mean, (asked.alpha[0] * BETTING_SHARE, asked.alpha[1] * BETTING_SHARE)
    )
    both, exact = _tighter(about.difference, difference)
    return about._replace(difference=both, lift=_tighter(about.lift, lift)[0], exact=exact)


def exact_bounds(n: Floats, ones: Floats, alpha: tuple[float, float]) -> tuple[Bounds, Bounds]:
    """Of the difference of two rates and of its share of the control's; units and ones of shape (2, days)."""
    low, high = rare.ratio_bounds(n, ones, (alpha[0] * RATIO_SHARE, alpha[1] * RATIO_SHARE))
    least, most = rare.rate_bounds(float(n[0].sum()), float(ones[0].sum()), min(alpha) * (1 - RATIO_SHARE))
    lower = (low - 1) * (least if low > 1 else most)
    upper = (high - 1) * (most if high > 1 else least) if np.isfinite(high) else 1.0
    return (max(lower, -1.0), min(upper, 1.0)), (low - 1, high - 1)


def _tighter(about: Bounds, exact: Bounds) -> tuple[Bounds, bool]:
    """Of two bounds on each side the nearer; and whether the exact ones are nearer to one another."""
    both = max(about[0], exact[0]), min(about[1], exact[1])
    return both, exact[1] - exact[0] < about[1] - about[0]


def _quantile(asked: Asked, pair: Pair) -> Measured:
    level = asked.metric.quantile
    control, treatment = (
        quantiles.Ordered.of(one.values, quantiles.day_weights(one.day, other.day)) for one, other in (pair, pair[::-1])
    )
    away = min(level, 1 - level)
    low, high = asked.alpha
    arms, plan = (control, treatment), float(asked.plan)
    lift = NOTHING
    if control.values[0] > 0 and treatment.values[0] > 0:
        lift = (
            quantiles.lower_bound(*arms, level, low, plan, relative=True) - 1,
            quantiles.upper_bound(*arms, level, high, plan, relative=True) - 1,
        )
    return Measured(
        (control.quantile(level), treatment.quantile(level)),
        (int(control.size * away + 1e-9), int(treatment.size * away + 1e-9)),
        (quantiles.lower_bound(*arms, level, low, plan), quantiles.upper_bound(*arms, level, high, plan)),
        lift,
        True,
    )
