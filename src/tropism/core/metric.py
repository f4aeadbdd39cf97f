"""A metric that an experiment compares its variants by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from tropism.core.task import Task

SOURCES = ("loss", "outcome", "predictions")
"""What a metric can be of besides what outcomes carry: the loss of the task's metric, the label, how many predictions
there were."""
MetricKind = Literal["mean", "proportion", "ratio", "quantile"]
Role = Literal["decision", "guardrail", "observed"]
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_EXAMPLES = {"mean": "revenue", "proportion": "converted", "ratio": "revenue", "quantile": "latency_ms"}


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is compared, and what follows from it.

    `of`: what is measured of each unit: `"loss"` of the task's model, `"outcome"`, `"predictions"`, or a name that the
    `values` of outcomes carry, such as `"revenue"`. `kind`: its mean, the share for which it is true, the mean over
    that of `over` (a ratio), or its `quantile`. `goal`: which way is better. `role`: one metric decides; a guardrail
    must not become worse by more than `margin`, a share of the control's value where `relative`; the others are shown.

    `missing`: what it means that no outcome carried the name while the outcome window was open. `"zero"`: nothing, as
    no purchase is no revenue; a unit's figures add up. `"skip"`: nobody knows, as with ratings; a unit's figures are
    averaged, and units without any are left out. Predictions without a label are left out of losses and outcomes
    either way.

    `cuped`: how far back before the experiment's start each unit's own figure is looked at, such as `"14d"`; what it
    explains is taken off, which narrows the bounds and moves nothing. Empty: no such adjustment.

    >>> Metric(name="revenue", of="revenue", role="guardrail", margin=0.02).kind
    'mean'
    """

    name: str
    of: str = "loss"
    kind: MetricKind = "mean"
    over: str = ""
    quantile: float = 0.5
    goal: Literal["increase", "decrease"] = "decrease"
    role: Role = "observed"
    margin: float = 0.0
    relative: bool = False
    missing: Literal["zero", "skip"] = "zero"
    cuped: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """The names it takes from what outcomes carry."""
        return tuple(name for name in (self.of, self.over) if name and name not in SOURCES)


def is_name(text: str) -> bool:
    """Whether a metric, or a figure of an outcome, can be named so.

    >>> is_name("revenue_7d"), is_name("Revenue"), is_name("")
    (True, False, False)
    """
    return 0 < len(text) <= 64 and not set(text) - set(_NAME)


def metric_faults(metric: Metric, field: str) -> list[Fault]:
    """What is wrong with a metric; `field`: how messages name it."""
    faults = []
    if not is_name(metric.name):
        faults.append(Fault(f"{field}.name", repr(metric.name), "use 1 to 64 of a-z, 0-9, '-' and '_'"))
    if metric.kind not in _EXAMPLES:
        faults.append(Fault(f"{field}.kind", repr(metric.kind), f"use one of: {', '.join(_EXAMPLES)}"))
    elif not metric.of:
        faults.append(Fault(f"{field}.of", "''", f"name what is measured, such as '{_EXAMPLES[metric.kind]}'"))
    if (metric.kind == "ratio") != bool(metric.over):
        fix = "name what it is a ratio over" if metric.kind == "ratio" else "leave it out, or use kind='ratio'"
        faults.append(Fault(f"{field}.over", repr(metric.over), fix))
    faults += _name_faults(metric, field)
    if not 0 < metric.quantile < 1:
        faults.append(Fault(f"{field}.quantile", str(metric.quantile), "use a number between 0 and 1, such as 0.95"))
    if not 0 <= metric.margin < float("inf"):
        faults.append(Fault(f"{field}.margin", str(metric.margin), "use 0 or a positive number"))
    return faults + _before_faults(metric, field)


def misfits(metric: Metric, task: Task, field: str) -> list[Fault]:
    """Why a task has no such metric, where that is known without looking at its outcomes.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="tag", kind="multiclass", target="t", classes=("a", "b", "c"), features=(Feature("x"),))
    >>> misfits(Metric(name="share", of="outcome"), task, "metrics.share")[0].field
    'metrics.share.of'
    """
    faults = []
    for part, source in (("of", metric.of), ("over", metric.over)):
        if source == "outcome" and task.kind == "multiclass":
            fix = "use 'loss', or send what counts among the outcome's values: classes are names, not numbers"
            faults.append(Fault(f"{field}.{part}", "'outcome'", fix))
    if metric.kind == "proportion" and metric.of == "outcome" and task.kind == "regression":
        fix = "use kind='mean': a proportion is of true and false, and the outcomes here are numbers"
        faults.append(Fault(f"{field}.kind", "'proportion'", fix))
    counted = metric.of == "predictions" or (metric.of == "loss" and task.metric_name != "accuracy")
    if metric.kind == "proportion" and counted:
        fix = f"use kind='mean': a proportion is of true and false, and '{metric.of}' is a number"
        faults.append(Fault(f"{field}.kind", "'proportion'", fix))
    if metric.kind == "quantile" and metric.of == "outcome" and task.kind == "binary":
        fix = "use kind='proportion': the outcomes here are true and false, of which a quantile says nothing"
        faults.append(Fault(f"{field}.kind", "'quantile'", fix))
    return faults


def _name_faults(metric: Metric, field: str) -> list[Fault]:
    """Names that no outcome can carry."""
    fix = f"use one of: {', '.join(SOURCES)}; or a name that outcomes carry, of a-z, 0-9, '-' and '_'"
    given = (("of", metric.of), ("over", metric.over))
    return [Fault(f"{field}.{part}", repr(name), fix) for part, name in given if name and not is_name(name)]


def _before_faults(metric: Metric, field: str) -> list[Fault]:
    if not metric.cuped:
        return []
    try:
        length = parse_duration(metric.cuped, f"{field}.cuped")
    except InvalidInput as error:
        return list(error.faults)
    if length == 0:
        return [Fault(f"{field}.cuped", repr(metric.cuped), "use more than no time, such as '14d', or leave it out")]
    if metric.kind == "quantile":
        return [Fault(f"{field}.cuped", repr(metric.cuped), "leave it out: a quantile is not adjusted")]
    return []
