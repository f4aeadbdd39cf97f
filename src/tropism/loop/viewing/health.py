"""What a health report is made from, collected. A part that cannot be collected is left out, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tropism.core.clock import DAY
from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.feedback.joining import moments
from tropism.loop.viewing.drift import KINDS, drift
from tropism.loop.viewing.estimates import estimated
from tropism.loop.viewing.performance import COLUMNS, Labelled, labelled
from tropism.loop.viewing.quality import quality_of
from tropism.loop.viewing.segments import worst_segments
from tropism.loop.viewing.service import service_of
from tropism.loop.viewing.usage import costs_of
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.costs import Cost
from tropism.monitoring.health.facts import Decided, Feedback, HealthFacts, Raised
from tropism.monitoring.health.report import HealthReport
from tropism.monitoring.health.report import health as report
from tropism.monitoring.tracking import LEAST, Performance, track

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources
    from tropism.registry.aliases import Live
    from tropism.registry.decisions import Decision, Kind

MOST_DAYS = 365
BINS = 28
_USUAL = 4
"""Periods before the one reported that tell what share of predictions is usually answered."""
_ALERTS, _DECISIONS = 1_000, 100
_TOLD: tuple[Kind, ...] = ("train", "promote", "reject", "rollback", "keep", "quarantine")
"""Decisions that are told: all but looks that ended in waiting."""


class _Period(NamedTuple):
    """What is reported: a task from `start` to `now` (µs), and what it serves."""

    sources: Sources
    task: Task
    start: int
    now: int
    live: Live | None

    @property
    def matured(self) -> int:
        """When (µs) what has matured in the period was made at the earliest."""
        return self.start - self.task.window


class AbsentError(Exception):
    """Why a part of the report is not there."""


def health(sources: Sources, name: str, *, days: int = 7) -> HealthReport:
    """The health of a task's champion over the last `days` days.

    Raises:
        UnknownTask: there is none of that name.
        InvalidInput: `days` is out of range.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput("this is no period", Fault("days", str(days), f"use 1 to {MOST_DAYS}"))
    task, now = sources.task(name), sources.clock.now()
    period = _Period(sources, task, now - days * DAY, now, sources.registry.aliases.live(name))
    found: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for parts, collect in _COLLECTED.items():
        try:
            told = collect(period)
        except (AbsentError, TropismError) as error:
            absent |= dict.fromkeys(parts, error.message if isinstance(error, TropismError) else str(error))
            continue
        absent |= told.pop("absent", {})
        found |= told
    return report(
        HealthFacts(
            task=name,
            kind=task.kind,
            metric=task.metric_name,
            version=None if period.live is None else period.live.champion,
            start_at=period.start,
            end_at=now,
            generated_at=now,
            promoted_at=None if period.live is None else period.live.since,
            former=None if period.live is None else period.live.previous,
            window=task.window,
            absent=absent,  # type: ignore[arg-type]
            **found,
        )
    )


def _performance(period: _Period) -> dict[str, Any]:
    """Performance of the period beside the baseline, and what came back, beside what used to."""
    task, span = period.task, period.now - period.start
    both = labelled(period.sources, task, period.now, max(period.matured - _USUAL * span, 0))
    seen, before = _split(both, period.matured)
    whole = track(task, seen.table, seen.baseline_scores, 1, predicted=seen.predicted)
    made, usual = seen.predicted.num_rows, before.predicted.num_rows
    overall = whole[0] if whole else None
    feedback = Feedback(
        predictions=made,
        answered=_answered(seen),
        usual=min(1.0, _answered(before) / usual) if usual >= LEAST else None,
        delay=None if overall is None else overall.delay,
        delay_p90=None if overall is None else overall.delay_p90,
    )
    if not made:
        return {"absent": dict.fromkeys(("performance", "baseline", "feedback"), "no prediction has matured in it")}
    if not seen.table.num_rows:
        why = f"none of its {made:,} matured predictions got an outcome"
        return {"feedback": feedback, "absent": dict.fromkeys(("performance", "baseline"), why)}
    windows = track(task, seen.table, seen.baseline_scores, BINS, predicted=seen.predicted)
    return {"performance": tuple(windows), "current": overall, "feedback": feedback}


def _split(both: Labelled, start: int) -> tuple[Labelled, Labelled]:
    """What was made from a moment on, and what was made before."""
    late, made = moments(both.table, "at") >= start, moments(both.predicted, "at") >= start
    parts = []
    for rows, predicted in ((late, made), (~late, ~made)):
        scores = None if both.baseline_scores is None else both.baseline_scores[rows]
        table = both.table.filter(pa.array(rows))
        part = Labelled(
            table=table,
            baseline=both.baseline,
            baseline_scores=scores,
            predicted=both.predicted.filter(pa.array(predicted)),
            imported=both.imported,
        )
        parts.append(part)
    return parts[0], parts[1]


def _answered(seen: Labelled) -> int:
    return int(np.count_nonzero(seen.table["answered"].to_numpy()))


def _start(period: _Period) -> dict[str, Any]:
    """The champion's first matured predictions, and the former champion's last ones before the promotion."""
    live, task = _live(period), period.task
    count = max(task.policy.triggers.decay_rows, LEAST)
    found: dict[str, Any] = {"start": _mean(period, live.champion, live.since, None, slice(0, count))}
    if live.previous is not None:
        begun = max(live.since - 30 * DAY, 0)
        found["previous"] = _mean(period, live.previous, begun, live.since, slice(-count, None))
    if found["start"] is None:
        found["absent"] = {"start": "none of its predictions has matured with an outcome"}
    return found


def _mean(period: _Period, version: int, since: int, until: int | None, rows: slice) -> Performance | None:
    table = period.sources.cohorts.matured(
        period.task, now=period.now, since=since, until=until, models=[version], columns=COLUMNS
    ).table
    first, last, _ = rows.indices(table.num_rows)
    whole = track(period.task, table.slice(first, last - first), None, 1)
    return whole[0] if whole and whole[0].rows else None


def _drift(period: _Period) -> dict[str, Any]:
    view = drift(period.sources, period.task.name, since=period.start)
    watched = next((one.problems for one in view.monitors if one.kind == FEATURES), {})
    absent = {kind: view.waiting.get(kind, "there is no champion yet") for kind in KINDS}
    absent = {kind: why for kind, why in absent.items() if kind not in {one.kind for one in view.monitors}}
    measures = tuple(column.moved for column in view.columns if column.moved is not None)
    if not view.measured:
        absent["measures"] = "no row of the period was looked at"
    return {
        "monitors": view.monitors,
        "moved": measures if view.measured else (),
        "importance": view.importance.shares,
        "problems": watched,
        "absent": absent,
    }


def _estimated(period: _Period) -> dict[str, Any]:
    view = estimated(period.sources, period.task.name, since=period.start)
    _there(view.waiting)
    return {"estimated": tuple(view.latest.values())}


def _quality(period: _Period) -> dict[str, Any]:
    view = quality_of(period.sources, period.task.name, since=period.start)
    _there(view.waiting)
    return {"quality": view.found}


def _service(period: _Period) -> dict[str, Any]:
    view = service_of(period.sources, period.task.name, since=period.start, bins=1)
    _there(view.waiting)
    found = view.whole.models.get(period.task.name)
    return {"service": found} if found is not None else {"absent": {"service": "nobody asked"}}


def _cost(period: _Period) -> dict[str, Any]:
    view = costs_of(period.sources, period.task.name, since=period.start)
    _there(view.waiting)
    spent = view.tasks[0].cost
    return {"cost": Cost(predictions=spent.predictions, cpu=spent.cpu, gpu=spent.gpu), "currency": view.currency}


def _alerts(period: _Period) -> dict[str, Any]:
    found = period.sources.alerts.list(period.task.name, limit=_ALERTS)
    raised = [
        Raised(
            id=alert.id,
            rule=alert.rule,
            severity=alert.severity,
            fired_at=alert.fired_at,
            resolved_at=alert.resolved_at,
            message=alert.message,
        )
        for alert in found
        if alert.resolved_at is None or alert.resolved_at >= period.start
    ]
    return {"alerts": tuple(raised)}


def _decisions(period: _Period) -> dict[str, Any]:
    """Those of the period, and those since the champion became one, which say whether it was right to."""
    since = period.start if period.live is None else min(period.start, period.live.since)
    found = (
        one for kind in _TOLD for one in period.sources.registry.decisions.list(period.task.name, _DECISIONS, kind)
    )
    recent = sorted((one for one in found if one.at >= since), key=lambda one: (one.at, one.id), reverse=True)
    return {"decisions": tuple(_decided(one) for one in recent)}


def _decided(decision: Decision) -> Decided:
    evidence = decision.evidence or {}
    reasons = evidence.get("reasons") or [evidence.get("reason") or ""]
    reason = "; ".join(str(one) for one in reasons)
    return Decided(id=decision.id, at=decision.at, kind=decision.kind, version=decision.version, reason=reason)


def _segments(period: _Period) -> dict[str, Any]:
    view = worst_segments(period.sources, period.task.name, since=period.matured)
    _there(view.waiting)
    return {"segments": view.worst}


def _live(period: _Period) -> Live:
    if period.live is None:
        raise AbsentError("there is no champion yet")
    return period.live


def _there(waiting: str) -> None:
    if waiting:
        raise AbsentError(waiting)


_COLLECTED: dict[tuple[str, ...], Callable[[_Period], dict[str, Any]]] = {
    ("performance", "baseline", "feedback"): _performance,
    ("start",): _start,
    ("estimated",): _estimated,
    ("features", "prediction", "loss", "measures"): _drift,
    ("quality",): _quality,
    ("service",): _service,
    ("cost",): _cost,
    ("alerts",): _alerts,
    ("decisions",): _decisions,
    ("segments",): _segments,
}
