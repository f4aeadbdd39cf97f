"""How long an experiment will take, from what is given, and from a task's own matured predictions where it is not."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import pyarrow.compute as pc

from tropism.core.clock import DAY
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric, metric_faults
from tropism.experiments.splits.analysis import PLAN
from tropism.experiments.splits.planning import SplitPlan, Spread, plan_split
from tropism.feedback.joining import moments
from tropism.loop.figures import answered, by_unit, numbered

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.wiring import Platform

HISTORY = 28
"""Days of matured predictions that defaults are taken from."""
Kind = Literal["mean", "proportion"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. `rate`, `mean`, `sd`, `units_per_day`, `delay`: None is taken from the task."""

    lift: float
    task: str | None = None
    of: str | None = None
    kind: Kind | None = None
    rate: float | None = None
    mean: float | None = None
    sd: float | None = None
    units_per_day: float | None = None
    unit: str = "entity"
    share: float = 0.5
    power: float = 0.8
    alpha: float = 0.05
    delay: str | None = None


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """`value`: of the metric now; `sd`: over units. `sequential`: deciding at the first daily look that allows it, as
    the loop does; `fixed`: by one z test at the end. `measured`: units of the task that figures were taken from."""

    task: str | None
    of: str
    kind: Kind
    value: float
    sd: float
    lift: float
    units_per_day: float
    share: float
    power: float
    alpha: float
    delay_days: float
    measured: int
    sequential: SplitPlan
    fixed: SplitPlan


class _Known(msgspec.Struct, frozen=True):
    """Of a task's units in the last days."""

    value: float | None = None
    sd: float | None = None
    units_per_day: float | None = None
    units: int = 0


_UNKNOWN = _Known()


def plan_experiment(platform: Platform, wanted: Wanted) -> Planned:
    """The plan.

    Raises:
        UnknownTask: there is no such task.
        InvalidInput: something is missing, makes no sense, or the change is out of reach; names the option.
    """
    task = None if wanted.task is None else platform.registry.tasks.get(wanted.task)
    kind, of = _kind(wanted, task), wanted.of or "outcome"
    given = wanted.rate if kind == "proportion" else wanted.mean
    whole = None not in (given, wanted.units_per_day, 1.0 if kind == "proportion" else wanted.sd)
    known = _UNKNOWN
    if task is not None and not whole:
        known = _measured(platform, task, wanted, Metric(name="plan", of=of, kind=kind))
    value = _or(given, known.value, "--rate" if kind == "proportion" else "--mean", "0.05")
    per_day = _or(wanted.units_per_day, known.units_per_day, "--units-per-day", "4000")
    if kind == "proportion":
        spread = _rates(value, wanted.lift)
    else:
        sd = _or(wanted.sd, known.sd, "--sd", "30")
        spread = Spread(control=sd, treatment=sd)
    delay = _delay(wanted, task)
    sequential, fixed = (
        _plan(abs(value * wanted.lift), spread, kind, wanted, per_day, delay, looks=looks) for looks in (True, False)
    )
    return Planned(
        task=wanted.task, of=of, kind=kind, value=value, sd=spread.control, lift=wanted.lift, units_per_day=per_day,
        share=wanted.share, power=wanted.power, alpha=wanted.alpha, delay_days=delay,
        measured=known.units, sequential=sequential, fixed=fixed,
    )  # fmt: skip


def _plan(
    effect: float, spread: Spread, kind: Kind, wanted: Wanted, per_day: float, delay: float, *, looks: bool
) -> SplitPlan:
    try:
        return plan_split(
            effect,
            spread,
            kind=kind,
            per_day=per_day,
            share=wanted.share,
            alpha=wanted.alpha,
            power_wanted=wanted.power,
            sequential=looks,
            delay_days=delay,
            tuned_at=PLAN,
        )
    except InvalidInput as error:
        raise InvalidInput(error.message, *(_as_option(fault, wanted) for fault in error.faults)) from error


_OPTIONS = {"per_day": "--units-per-day", "share": "--share", "alpha": "--alpha", "power_wanted": "--power",
            "spread": "--sd", "delay_days": "--delay"}  # fmt: skip


def _as_option(fault: Fault, wanted: Wanted) -> Fault:
    if fault.field == "effect":
        if not wanted.lift:
            return Fault("--lift", "0", "use a change other than none, such as 0.1 for 10% more")
        return Fault("--lift", str(wanted.lift), fault.fix)
    return Fault(_OPTIONS.get(fault.field, fault.field), fault.value, fault.fix)


def _kind(wanted: Wanted, task: Task | None) -> Kind:
    if wanted.kind is not None:
        return wanted.kind
    if wanted.rate is not None:
        return "proportion"
    if wanted.mean is not None or wanted.sd is not None or task is None:
        return "mean"
    return "proportion" if task.kind == "binary" and wanted.of in (None, "outcome") else "mean"


def _measured(platform: Platform, task: Task, wanted: Wanted, metric: Metric) -> _Known:
    faults = metric_faults(metric, "plan")
    if faults:
        raise InvalidInput("--of is no name", *(Fault("--of", one.value, one.fix) for one in faults))
    now = platform.clock.now()
    since = now - task.window - HISTORY * DAY
    table = answered(platform.cohorts, task, wanted.unit, [metric], now=now, since=since)
    if not table.num_rows:
        message = f"no matured predictions of '{task.name}' in the last {HISTORY} days name their '{wanted.unit}'"
        fix = "give --units-per-day, and --rate or --mean and --sd"
        raise InvalidInput(message, Fault("--task", repr(task.name), fix))
    units = pc.unique(table[wanted.unit].combine_chunks())
    try:
        found = by_unit(task, metric, table, numbered(table, wanted.unit, units), len(units))
    except InvalidInput as error:
        raise InvalidInput(error.message, Fault("--of", repr(metric.of), error.faults[0].fix)) from error
    values, at = found.values[found.known], moments(table, "at")
    days = max(1.0, float(at.max() - at.min()) / DAY)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return _Known(float(np.mean(values)) if len(values) else None, sd, len(units) / days, len(units))


def _rates(rate: float, lift: float) -> Spread:
    after = rate * (1 + lift)
    for field, one in (("--rate", rate), ("--lift", after)):
        if not 0 < one < 1:
            fix = "keep the rate between 0 and 1, now and with the lift"
            raise InvalidInput("a rate lies between 0 and 1", Fault(field, f"a rate of {one:.6g}", fix))
    return Spread(control=sqrt(rate * (1 - rate)), treatment=sqrt(after * (1 - after)))


def _delay(wanted: Wanted, task: Task | None) -> float:
    if wanted.delay is not None:
        return parse_duration(wanted.delay, "--delay") / DAY
    return 0.0 if task is None else task.window / DAY


def _or(given: float | None, known: float | None, option: str, example: str) -> float:
    value = known if given is None else given
    if value is None:
        fix = f"give it, such as {option} {example}, or a --task to take it from"
        raise InvalidInput(f"{option} is missing", Fault(option, "", fix))
    if not isfinite(value):
        raise InvalidInput(f"{option} is no number", Fault(option, str(value), f"give one, such as {example}"))
    return value
