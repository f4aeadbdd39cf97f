"""Experiments on live traffic: what the units so far say, and what follows from it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, PolicyRefused
from tropism.core.experiment import BESIDE
from tropism.core.identity import derived_id, task_tag
from tropism.loop.bandits import bandit_evidence, share
from tropism.loop.climbing import as_held, asks_approval, climb, hold
from tropism.loop.judged import Judged
from tropism.loop.repeating import says_more
from tropism.loop.shadowing import judge_beside, settle
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
    """Judgements of the experiments that run on the task's traffic: one of each, or one of each treatment."""
    found: list[Judged] = []
    for name in seen.trials:
        trial = services.registry.experiments.get(name)
        compared = trial.spec.mode in BESIDE and seen.champion == trial.versions[trial.spec.control.name]
        found += judge_beside(services, task, trial, seen) if compared else [_judge(services, task, trial, seen)]
    return found


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
    find = bandit_evidence if trial.spec.mode == "bandit" else split_evidence
    evidence = find(services, task, trial, now=seen.now, lake=seen.lake)
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
    if trial.status != "running":
        return None
    if one.action == "superseded":
        over: Ending = "promoted" if seen.champion in trial.versions.values() else "superseded"
        told = {"reason": one.evidence["reason"], "decision_id": _behind(services, task, trial, seen)}
        registry.experiments.end(one.name, over, actor=ACTOR, now=now, **told)
        return None
    if trial.spec.mode == "bandit" and one.action in ("wait", "promote"):  # an approval may be waited for
        share(services, task, seen, one)
    decision = NewDecision(
        id=derived_id(now, f"{key}:experiment:{one.name}{one.about}", task_tag(task.name)),
        model=task.name,
        kind=one.action,
        at=now,
        actor=ACTOR,
        version=one.version,
        evidence=one.evidence,
    )
    if one.action == "promote":
        return _promote(services, task, seen, trial, decision)
    if one.action == "wait" and not says_more(services, task, one, decision):
        return None
    if trial.spec.mode in BESIDE:
        return settle(services, trial, one, decision)
    registry.decisions.record(decision, now=now)
    if one.action == "advance":
        registry.experiments.advance(one.name, one.step, actor=ACTOR, now=now, evidence=decision.id)
    elif one.action in ("keep", "reject"):
        ending: Ending = "kept" if one.action == "keep" else "harm"
        reason = one.evidence["reason"]
        registry.experiments.end(one.name, ending, actor=ACTOR, now=now, reason=reason, decision_id=decision.id)
    return decision.id


def _behind(services: Services, task: Task, trial: Trial, seen: Observation) -> str | None:
    """The decision that made the champion what it is, if it was promoted since the experiment started: by a person, or
    by this loop before it was cut off."""
    for one in services.registry.decisions.list(task.name, kind="promote"):
        if one.effect is not None and one.version == seen.champion and one.at >= (trial.started_at or 0):
            return one.id
    return None


def _propose(services: Services, task: Task, seen: Observation, trial: Trial, decision: NewDecision) -> str | None:
    """Asks once whether a version may be promoted; while nobody answers the experiment goes on. A no ends it, a yes
    that holds moves the champion."""
    registry, now, begun, version = services.registry, decision.at, trial.started_at or 0, decision.version
    assert version is not None
    own = derived_id(begun, f"experiment:{trial.name}:promote:{version}", task_tag(trial.task))
    asked = registry.approvals.of_decision(own)
    proposal = msgspec.structs.replace(decision, id=own)
    if asked is None:
        registry.decisions.record(proposal, now=now)
        registry.approvals.request(derived_id(begun, f"{own}:approval"), trial.task, version, own, now=now)
        return own
    if asked.status == "refused":
        reason = f"{asked.actor} refused to promote version {version}"
        registry.experiments.end(trial.name, "kept", actor=ACTOR, now=now, reason=reason, decision_id=own)
    if asked.status == "approved" and not registry.approvals.missing(asked.id, now):
        return _move(services, task, seen, trial, proposal)
    return None


def _promote(services: Services, task: Task, seen: Observation, trial: Trial, decision: NewDecision) -> str | None:
    """Moves the champion, or asks for approval, or waits until the version stands on the highest level."""
    registry, now = services.registry, seen.now
    assert decision.version is not None
    why = climb(services, task, decision.version, now=now)
    first, decision = decision.id, as_held(registry, decision)
    if why:
        hold(services, decision, why)
        return first if decision.id == first else None
    if asks_approval(registry, task) or not trial.spec.automatic:
        return _propose(services, task, seen, trial, decision)
    return _move(services, task, seen, trial, decision)


def _move(services: Services, task: Task, seen: Observation, trial: Trial, decision: NewDecision) -> str:
    """Moves the champion and ends the experiment; where this is cut off between the two, the next cycle ends it."""
    registry, now = services.registry, seen.now
    assert decision.version is not None
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
