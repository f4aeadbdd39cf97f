"""A metric that an experiment compares its variants by."""

from __future__ import annotations

from typing import Literal

import msgspec

from tropism.core.errors import Fault

MetricKind = Literal["mean", "proportion", "ratio", "quantile"]
Role = Literal["decision", "guardrail", "observed"]
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_EXAMPLES = {"mean": "revenue", "proportion": "converted", "ratio": "revenue", "quantile": "latency_ms"}


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is compared, and what follows from it.

    `of`: what is measured of each unit: `"loss"` of the task's model, `"outcome"`, or a name that outcomes carry, such
    as `"revenue"`. `kind`: its mean, the share for which it is true, the mean over that of `over` (a ratio), or its
    `quantile`. `goal`: which way is better. `role`: one metric decides; a guardrail must not become worse by more than
    `margin`, a share of the control's value where `relative`; the others are shown.

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


def metric_faults(metric: Metric, field: str) -> list[Fault]:
    """What is wrong with a metric; `field`: how messages name it."""
    faults = []
    if not 0 < len(metric.name) <= 64 or set(metric.name) - set(_NAME):
        faults.append(Fault(f"{field}.name", repr(metric.name), "use 1 to 64 of a-z, 0-9, '-' and '_'"))
    if metric.kind not in _EXAMPLES:
        faults.append(Fault(f"{field}.kind", repr(metric.kind), f"use one of: {', '.join(_EXAMPLES)}"))
    elif not metric.of:
        faults.append(Fault(f"{field}.of", "''", f"name what is measured, such as '{_EXAMPLES[metric.kind]}'"))
    if (metric.kind == "ratio") != bool(metric.over):
        fix = "name what it is a ratio over" if metric.kind == "ratio" else "leave it out, or use kind='ratio'"
        faults.append(Fault(f"{field}.over", repr(metric.over), fix))
    if not 0 < metric.quantile < 1:
        faults.append(Fault(f"{field}.quantile", str(metric.quantile), "use a number between 0 and 1, such as 0.95"))
    if not 0 <= metric.margin < float("inf"):
        faults.append(Fault(f"{field}.margin", str(metric.margin), "use 0 or a positive number"))
    return faults
