"""Is the version good enough: by a metric, beside the best baseline, beside the champion?

Comparisons are those that promotion rests on (`experiments.comparison`): valid however often the gates are run, with
differences of one day counted as hanging together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.core.governance import ChampionGate, GateResult, MetricGate, gate_name
from tropism.evaluation.losses import losses
from tropism.evaluation.metrics import omissions, summarise
from tropism.experiments.comparison import compare
from tropism.learners.artifact import load
from tropism.training.gates.context import best_baseline, unassessed

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.experiments.evidence import Evidence as Compared
    from tropism.learners.base import Floats, Times
    from tropism.training.gates.context import Evidence, GateContext

_FRESH = "wait until more predictions made after its training have matured"


def metric(gate: MetricGate, context: GateContext) -> GateResult:
    """A metric within its bound, and the loss below the best baseline's; both on rows that are new to the version."""
    name, task = gate_name(gate), context.task
    wanted = gate.metric or task.metric_name
    required = _required(gate, wanted)
    evidence = context.evidence
    count = 0 if evidence is None else len(evidence.rows.labels)
    if evidence is None or count < gate.rows:
        return unassessed(name, required, f"{count} of the {gate.rows} labelled rows that it takes are there; {_FRESH}")
    scores = context.model.predict(evidence.rows.features, evidence.rows.at)
    found = summarise(task.kind, evidence.rows.labels, scores)
    if wanted not in found:
        why = omissions(task.kind, evidence.rows.labels, scores)[wanted]
        return unassessed(name, required, f"{wanted} {why}")
    interval = found[wanted]
    within = gate.least is None or interval.value >= gate.least
    within = within and (gate.most is None or interval.value <= gate.most)
    said = f"{wanted} is {interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g}) on {count:,} rows"
    details: dict[str, Any] = {"interval": msgspec.to_builtins(interval), "rows": count}
    beaten, comparison = (True, "") if not gate.baseline else _beats(context, evidence, scores, details)
    return GateResult(
        name=name,
        passed=within and beaten,
        measured=interval.value,
        required=required,
        message="; ".join(part for part in (said, comparison) if part),
        details=details,
    )


def champion(gate: ChampionGate, context: GateContext) -> GateResult:
    """No more loss than the champion, up to a margin, on rows that neither learnt from."""
    name, task, evidence = gate_name(gate), context.task, context.evidence
    required = f"at most {gate.margin:g} more {task.metric_name} loss than the champion, with confidence"
    if context.champion is None or context.champion.version == context.version.version:
        why = "there is no champion" if context.champion is None else "it is the champion"
        return GateResult(name=name, passed=True, required=required, message=f"{why}: nothing to compare with")
    first = 0 if evidence is None else int(np.searchsorted(evidence.rows.at, context.champion_since, side="right"))
    count = 0 if evidence is None else len(evidence.rows.labels) - first
    if evidence is None or count < gate.rows:
        return unassessed(name, required, f"{count} of the {gate.rows} labelled rows that it takes are there; {_FRESH}")
    rows = evidence.rows.last(count)
    other = load(context.champion.artifact, context.artifacts)
    mine, theirs = (
        losses(task.metric_name, rows.labels, one.predict(rows.features, rows.at)) for one in (context.model, other)
    )
    found = _compared(task, theirs, mine, rows.at, rows.labels)
    worse = None if found.lower is None else -found.lower
    passed = worse is not None and worse <= gate.margin
    message = f"{_told(found, f'version {context.champion.version}')}; at most {_figure(worse)} worse"
    if not passed:
        message += f", and {gate.margin:g} is allowed: {_needs(found)}"
    details = {"comparison": msgspec.to_builtins(found), "champion": context.champion.version}
    return GateResult(name=name, passed=passed, measured=worse, required=required, message=message, details=details)


def _beats(context: GateContext, evidence: Evidence, scores: Floats, details: dict[str, Any]) -> tuple[bool, str]:
    """Whether the version loses less than the best baseline, and that in words."""
    task, rows = context.task, evidence.rows
    name, theirs = best_baseline(task, evidence)
    found = _compared(task, theirs, losses(task.metric_name, rows.labels, scores), rows.at, rows.labels)
    details["baseline"] = {"name": name, "metric": task.metric_name, **msgspec.to_builtins(found)}
    said = _told(found, f"the baseline '{name}'")
    if found.verdict == "better":
        return True, said
    return False, f"{said}, which does not show that it is better: {_needs(found)}"


def _compared(task: Task, theirs: Floats, mine: Floats, at: Times, labels: Floats) -> Compared:
    rule = task.policy.gate
    return compare(
        theirs,
        mine,
        cohorts=at // DAY,
        labels=None if task.kind == "regression" else labels,
        alpha=rule.alpha,
        min_outcomes=rule.min_outcomes,
        plan=rule.plan,
    )


def _told(found: Compared, against: str) -> str:
    return (
        f"mean loss {found.challenger:.4g} against {found.incumbent:.4g} of {against}, less by {found.estimate:.3g} "
        f"({_figure(found.lower)} to {_figure(found.upper)})"
    )


def _needs(found: Compared) -> str:
    """What would have to come for another verdict."""
    if found.verdict == "worse":
        return "train a better one"
    waiting = {
        "outcomes": f"it takes {found.min_outcomes} outcomes, there are {found.n}",
        "labels": "too few outcomes outside the commonest label are there",
        "events": "too few rows tell the two apart",
    }
    return waiting.get(found.waiting_for, "wait for more outcomes, or train a better one")


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _required(gate: MetricGate, wanted: str) -> str:
    parts = []
    if gate.least is not None:
        parts.append(f"{wanted} of at least {gate.least:g}")
    if gate.most is not None:
        parts.append(f"{wanted} of at most {gate.most:g}")
    if gate.baseline:
        parts.append("less loss than the best baseline")
    return ", and ".join(parts)
