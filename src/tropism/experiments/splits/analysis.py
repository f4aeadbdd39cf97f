"""One metric of two variants: what each was measured at, and bounds on the difference that hold at every look.

What it rests on:

- Each unit saw one variant, drawn independently of everything else; units do not influence one another.
- Only units whose outcome window has closed are given, and all of those of a day or none.
- The two are compared within each exposure day, days weighted by their units; a day without units of both is left
  out. So neither a good day nor a share of traffic that changes is taken for an effect.
- Means, proportions and ratios: the central limit theorem, and so at least `MIN_EVENTS` events in each variant. Of a
  proportion that is ones and zeros; otherwise n over the kurtosis, what is left of n when few units carry the spread.
  For proportions an exact bound at a fifth of alpha stands in before that and beside it.
- Quantiles: exact while the shares of traffic stay as they are (`quantiles`).
- An effect that differs between days is averaged over the units seen; `novelty` says whether it does.
"""

from __future__ import annotations

from math import isclose, isfinite, nan
from typing import Literal

import msgspec
import numpy as np

from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric, metric_faults
from tropism.experiments.comparison import MIN_EVENTS
from tropism.experiments.confidence import tuning
from tropism.experiments.splits.arms import Arm, Checked, checked
from tropism.experiments.splits.measures import NOTHING, Asked, Measured, measured

Verdict = Literal["better", "worse", "undecided"]
Method = Literal["", "asymptotic", "betting"]
Waiting = Literal["", "days", "units", "events", "evidence"]
PLAN = 5_000


class Analysis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcome of `analyse`, with its parameters: what a decision stores, shows, and can compute again.

    `control`, `treatment`: the metric's value in each, stratified by day; None while no day has units of both.
    `lower`, `upper`: of `difference`, treatment - control; the bound on the side of harm is wrong with probability
    `harm_alpha` over all looks, the other one with `alpha`; None while it cannot be relied on. `lift`: the difference
    over the size of the control's value. `n_*`: units that were compared. `events_*`: units that carry the
    comparison. `days`: exposure days with units of both. `method`: where the bounds come from, the tighter ones for a
    proportion; empty without bounds. `kept`: share of the variance that a covariate left, None without one.
    `waiting_for`: what keeps the verdict open. `verdict`: in the direction of the metric's goal, a decision metric's
    beyond its margin. `within_margin`: shown not to be worse by the metric's margin or more.
    """

    metric: Metric
    treatment_name: str
    control: float | None
    treatment: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    lift: float | None
    lift_lower: float | None
    lift_upper: float | None
    n_control: int
    n_treatment: int
    events_control: int
    events_treatment: int
    days: int
    method: Method
    kept: float | None
    waiting_for: Waiting
    verdict: Verdict
    within_margin: bool
    alpha: float
    harm_alpha: float
    min_units: int
    plan: int

    def agrees(self, other: Analysis, tolerance: float = 1e-9) -> bool:
        """Whether the two say the same, up to rounding: the check of an analysis that was computed again."""
        theirs = msgspec.structs.asdict(other)
        return all(_same(value, theirs[name], tolerance) for name, value in msgspec.structs.asdict(self).items())

    @property
    def improvement(self) -> tuple[float, float]:
        """Bounds of how much better the treatment is, in what the metric's margin is in; infinite where unknown.

        Without a margin in that of the metric, since a lift is not known while the control's value may be 0.
        """
        relative = self.metric.relative and self.metric.margin > 0
        low, high = (self.lift_lower, self.lift_upper) if relative else (self.lower, self.upper)
        bounds = -np.inf if low is None else low, np.inf if high is None else high
        return bounds if self.metric.goal == "increase" else (-bounds[1], -bounds[0])


def analyse(
    metric: Metric,
    control: Arm,
    treatment: Arm,
    *,
    treatment_name: str = "treatment",
    alpha: float = 0.05,
    harm_alpha: float | None = None,
    min_units: int = 30,
    plan: int = PLAN,
) -> Analysis:
    """What the units so far say of a metric; valid under any number of looks, two one-sided errors.

    Args:
        alpha: probability that a metric that is not better is ever called better, or one that is worse by its margin
            is ever called within it.
        harm_alpha: that one that is not worse is ever called worse; `alpha` when left out.
        min_units: fewest units in each variant for a verdict.
        plan: units of both together at which the bounds are tightest.

    Raises:
        InvalidInput: see `arms.checked`; or the metric, an alpha or the plan make no sense.

    >>> rng = np.random.default_rng(0)
    >>> old, new = Arm(rng.random(4_000) < 0.10), Arm(rng.random(4_000) < 0.14)
    >>> found = analyse(Metric(name="clicks", kind="proportion", goal="increase"), old, new)
    >>> found.verdict, found.method, found.n_control
    ('better', 'asymptotic', 4000)
    """
    harm = alpha if harm_alpha is None else harm_alpha
    _check(metric, alpha, harm, plan)
    arms = checked(metric, "control", control), checked(metric, treatment_name, treatment)
    days = np.intersect1d(arms[0].day, arms[1].day)
    pair = _on(arms[0], days), _on(arms[1], days)
    sides = (alpha, harm) if metric.goal == "increase" else (harm, alpha)
    found = measured(Asked(metric, sides, plan), pair) if len(days) else _NONE
    waiting = _waiting(found, min(len(arm.values) for arm in pair), len(days), min_units)
    difference = found.values[1] - found.values[0]
    told = Analysis(
        metric=metric,
        treatment_name=treatment_name,
        control=_known(found.values[0]),
        treatment=_known(found.values[1]),
        difference=_known(difference),
        lower=_known(found.difference[0]),
        upper=_known(found.difference[1]),
        lift=_known(difference / abs(found.values[0])) if found.values[0] else None,
        lift_lower=_known(found.lift[0]),
        lift_upper=_known(found.lift[1]),
        n_control=len(pair[0].values),
        n_treatment=len(pair[1].values),
        events_control=found.events[0],
        events_treatment=found.events[1],
        days=len(days),
        method=_method(found),
        kept=found.kept,
        waiting_for=waiting,
        verdict="undecided",
        within_margin=False,
        alpha=alpha,
        harm_alpha=harm,
        min_units=min_units,
        plan=plan,
    )
    return told if waiting in {"days", "units"} else _judged(told)


_NONE = Measured((nan, nan), (0, 0), NOTHING, NOTHING, False)


def _judged(told: Analysis) -> Analysis:
    least, most = told.improvement
    metric = told.metric
    verdict: Verdict = "worse" if most < 0 else "undecided"
    if least > (metric.margin if metric.role == "decision" else 0.0):
        verdict = "better"
    waiting: Waiting = told.waiting_for if verdict == "undecided" else ""
    return msgspec.structs.replace(told, verdict=verdict, within_margin=least > -metric.margin, waiting_for=waiting)


def _check(metric: Metric, alpha: float, harm_alpha: float, plan: int) -> None:
    faults = metric_faults(metric, "metric")
    if faults:
        raise InvalidInput("the metric makes no sense", *faults)
    for level in (alpha, harm_alpha):
        tuning(plan, level, one_sided=True)


def _on(arm: Checked, days: np.typing.NDArray[np.int64]) -> Checked:
    return arm.at(np.isin(arm.day, days))


def _waiting(found: Measured, units: int, days: int, min_units: int) -> Waiting:
    """What is still missing; `evidence` when the units can be relied on and only their weight counts."""
    if not days:
        return "days"
    if units < min_units:
        return "units"
    return "events" if min(found.events) < MIN_EVENTS else "evidence"


def _method(found: Measured) -> Method:
    if not any(isfinite(bound) for bound in found.difference):
        return ""
    return "betting" if found.exact else "asymptotic"


def _known(number: float) -> float | None:
    return number if isfinite(number) else None


def _same(mine: object, theirs: object, tolerance: float) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return isclose(mine, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return mine == theirs
