"""Experiments on live traffic: what the units so far say, and what follows from it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, PolicyRefused
from tropism.core.identity import derived_id, task_tag
from tropism.loop.judged import Judged
from tropism.loop.split_evidence import split_evidence
from tropism.registry import NewDecision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.loop.judged import Action
    from tropism.loop.observe import Observation
    from tropism.loop.services import Services
    from tropism.registry.experiments import Ending, Trial

ACTOR = "loop"


def judge_trials(services: Services, task: Task, seen: Observation) -> list[Judged]:
    """A judgement of each experiment that runs on the task's traffic."""
    return [_judge(services, task, services.registry.experiments.get(name), seen) for name in seen.trials]


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
