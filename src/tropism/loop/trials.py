"""Experiments on live traffic: what the units so far say, and what follows from it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pyarrow.compute as pc

from tropism.core.clock import DAY, SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, PolicyRefused
from tropism.core.identity import derived_id, task_tag
from tropism.experiments.sample_ratio import sample_ratio
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.decision import decide, shared_alphas
from tropism.loop.exposures import arms, exposed, matured_whole
from tropism.registry import NewDecision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.experiments.splits.analysis import Analysis
    from tropism.experiments.splits.arms import Arm
    from tropism.feedback.cohorts import LakeVersions
    from tropism.loop.observe import Observation
    from tropism.loop.services import Services
    from tropism.registry.experiments import Ending, Trial

ACTOR = "loop"
_SETTLED = 60 * SECOND
"""Every data plane follows a step of the ramp by then."""
Action = Literal["promote", "keep", "wait", "reject", "advance", "superseded"]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about an experiment, and everything needed to find the same again.

    `advance`: its ramp may grow. `superseded`: its control is not the champion any more. `version`: to promote.
    """

    name: str
    action: Action
    version: int | None
    step: int
    evidence: dict[str, Any]


def judge_trials(services: Services, task: Task, seen: Observation) -> list[Judged]:
    """A judgement of each experiment that runs on the task's traffic."""
    return [_judge(services, task, services.registry.experiments.get(name), seen) for name in seen.trials]


def split_evidence(services: Services, task: Task, trial: Trial, *, now: int, lake: LakeVersions) -> dict[str, Any]:
    """What the units of an experiment say, as plain values. The same arguments give the same evidence."""
    spec, table = trial.spec, exposed(services.cohorts, task, trial, now=now, lake=lake)
    split, found = sample_ratio(*_split(trial, table)), _analyses(task, trial, table)
    days = (matured_whole(task, now) - (trial.started_at or now)) / DAY
    duration = parse_duration(spec.max_duration) / DAY
    common = {"comparison": "split", "experiment": trial.name, "now": now, "lake": msgspec.to_builtins(lake)}
    common |= {"trial": msgspec.to_builtins(trial), "metric": task.metric_name, "n": table.num_rows}
    common |= {"split": msgspec.to_builtins(split), "analyses": msgspec.to_builtins(found)}
    if not all(found.values()):
        missing = [name for name, analyses in found.items() if not analyses]
        reason = f"no matured units of both the control and {', '.join(missing)} yet"
        return common | {"action": "keep" if days >= duration else "extend", "treatment": "", "reason": reason}
    said = decide(found, split, days=days, duration=duration, alpha=spec.alpha, harm_alpha=spec.harm_alpha)
    return {**common, **msgspec.to_builtins(said)}


def act_on_trials(services: Services, task: Task, seen: Observation, judged: list[Judged], key: str) -> list[str]:
    """Carries judgements out; the ids of the decisions. Every write may be repeated."""
    made = []
    for one in judged:
        with suppress(Conflict, PolicyRefused):  # somebody was faster, or levels forbid it: the next cycle looks again
            made.append(_carry_out(services, task, seen, one, key))
    return [decision for decision in made if decision is not None]


def _judge(services: Services, task: Task, trial: Trial, seen: Observation) -> Judged:
    control = trial.versions[trial.spec.control.name]
    step = trial.step
    if seen.champion != control:
        tried = seen.champion in trial.versions.values()
        whose = f"which was tried here, instead of {control}" if tried else f"the control was version {control}"
        reason = f"version {seen.champion} is the champion now, {whose}"
        evidence = {"comparison": "split", "experiment": trial.name, "reason": reason}
        return Judged(name=trial.name, action="superseded", version=None, step=step, evidence=evidence)
    evidence = split_evidence(services, task, trial, now=seen.now, lake=seen.lake)
    said, treatment = evidence["action"], evidence["treatment"]
    if said == "promote":
        version = trial.versions[treatment]
        return Judged(name=trial.name, action="promote", version=version, step=step, evidence=evidence)
    action: Action = {"keep": "keep", "stop-for-harm": "reject"}.get(said, "wait")  # type: ignore[assignment]
    if action == "wait" and _may_grow(trial, evidence, seen.now - task.window):
        action = "advance"
    return Judged(name=trial.name, action=action, version=None, step=step, evidence=evidence)


def _may_grow(trial: Trial, evidence: Mapping[str, Any], matured: int) -> bool:
    """Whether the next share is due: what was predicted at this one has matured (up to `matured`, µs) for long enough.
    Never the whole of a canary's traffic, as that is a promotion."""
    steps, ramp = trial.spec.steps, trial.spec.ramp
    if trial.step + 1 >= len(steps) or evidence["split"]["mismatch"]:
        return False
    if trial.spec.mode == "canary" and steps[trial.step + 1] >= 1:
        return False
    hold = parse_duration(ramp.hold if ramp is not None else "1d")
    return matured - (trial.stepped_at or matured) >= hold


def _analyses(task: Task, trial: Trial, table: pa.Table) -> dict[str, list[Analysis]]:
    """Of each treatment, the metrics that units of both sides have."""
    spec = trial.spec
    guardrails = sum(metric.role == "guardrail" for metric in spec.metrics)
    alphas = shared_alphas(spec.alpha, spec.harm_alpha, treatments=len(spec.variants) - 1, guardrails=guardrails)
    measured = [(metric, arms(task, trial, metric, table)) for metric in spec.metrics]
    found: dict[str, list[Analysis]] = {}
    for treatment in spec.variants[1:]:
        own = [_analysis(trial, metric, values, treatment.name, alphas) for metric, values in measured]
        found[treatment.name] = [one for one in own if one is not None]
    return found


def _split(trial: Trial, table: pa.Table) -> tuple[list[int], list[float]]:
    """Units of each variant since the last step, and the weights that they should have."""
    since = (trial.stepped_at or 0) + _SETTLED
    fresh = table.filter(pc.greater_equal(table["at"], pc.cast(since, table["at"].type)))
    units = np.asarray(fresh[trial.spec.unit].to_pylist(), dtype=object)
    variants = np.asarray(fresh["variant"].to_pylist(), dtype=object)
    names = [one.name for one in trial.spec.variants]
    counts = [len(set(units[variants == f"{trial.name}/{name}"].tolist())) for name in names]
    if trial.spec.mode == "canary":
        return counts, [1 - trial.share, trial.share] if trial.share < 1 else [1e-9, 1.0]
    return counts, [one.weight for one in trial.spec.variants]


def _analysis(
    trial: Trial, metric: Metric, found: Mapping[str, Arm], treatment: str, alphas: tuple[float, float]
) -> Analysis | None:
    control = trial.spec.control.name
    if control not in found or treatment not in found:
        return None
    return analyse(
        metric,
        found[control],
        found[treatment],
        treatment_name=treatment,
        alpha=alphas[0],
        harm_alpha=alphas[1],
        min_units=trial.spec.min_units,
    )


def _carry_out(services: Services, task: Task, seen: Observation, one: Judged, key: str) -> str | None:
    """The id of the decision, if there is a new one."""
    registry, now = services.registry, seen.now
    trial = registry.experiments.get(one.name)
    if one.action == "superseded":
        over: Ending = "promoted" if seen.champion in trial.versions.values() else "superseded"
        registry.experiments.end(one.name, over, actor=ACTOR, now=now, reason=one.evidence["reason"])
        return None
    decision = NewDecision(
        id=derived_id(now, f"{key}:experiment:{one.name}", task_tag(task.name)),
        model=task.name,
        kind=one.action,
        at=now,
        actor=ACTOR,
        version=one.version,
        evidence=one.evidence,
    )
    if one.action == "promote":
        return _promote(services, task, seen, trial, decision)
    registry.decisions.record(decision, now=now)
    if one.action == "advance":
        registry.experiments.advance(one.name, one.step, actor=ACTOR, now=now, evidence=decision.id)
    elif one.action in ("keep", "reject"):
        ending: Ending = "kept" if one.action == "keep" else "harm"
        reason = one.evidence["reason"]
        registry.experiments.end(one.name, ending, actor=ACTOR, now=now, reason=reason, decision_id=decision.id)
    return decision.id


def _propose(services: Services, trial: Trial, decision: NewDecision, version: int) -> str | None:
    """Asks once whether a version may be promoted; while nobody answers the experiment goes on, a no ends it."""
    registry, now, begun = services.registry, decision.at, trial.started_at or 0
    own = derived_id(begun, f"experiment:{trial.name}:promote:{version}", task_tag(trial.task))
    asked = registry.approvals.of_decision(own)
    if asked is None:
        registry.decisions.record(msgspec.structs.replace(decision, id=own), now=now)
        registry.approvals.request(derived_id(begun, f"{own}:approval"), trial.task, version, own, now=now)
        return own
    if asked.status == "refused":
        reason = f"{asked.actor} refused to promote version {version}"
        registry.experiments.end(trial.name, "kept", actor=ACTOR, now=now, reason=reason, decision_id=own)
    return None


def _promote(services: Services, task: Task, seen: Observation, trial: Trial, decision: NewDecision) -> str | None:
    """Moves the champion, or asks for approval."""
    registry, now = services.registry, seen.now
    assert decision.version is not None
    if task.policy.approval or not trial.spec.automatic:
        return _propose(services, trial, decision, decision.version)
    registry.promotion.promote(
        task.name,
        decision.version,
        expected=seen.champion,
        actor=ACTOR,
        decision_id=decision.id,
        policy=task.policy,
        now=now,
        evidence=decision.evidence,
    )
    reason = decision.evidence["reason"]
    registry.experiments.end(trial.name, "promoted", actor=ACTOR, now=now, reason=reason, decision_id=decision.id)
    return decision.id
