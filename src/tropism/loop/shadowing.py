"""Experiments in which treatments answer nobody: each is compared with the champion on the same predictions.

A treatment has an open challenge (`registry.shadowing`), and what the gate finds of that is the evidence; the
experiment says what follows, and when it is over. Where requests are mirrored, what data planes measured of the
treatment (`loop.mirrored`) is evidence besides, and can stop it before any outcome is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import DAY
from tropism.core.durations import parse_duration
from tropism.loop.gate import evidence_of
from tropism.loop.judged import Judged
from tropism.loop.mirrored import harm, live_figures
from tropism.registry.shadowing import challenge_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.loop.judged import Action
    from tropism.loop.mirrored import Live
    from tropism.loop.observe import Observation, OpenTest
    from tropism.loop.services import Services
    from tropism.registry import NewDecision
    from tropism.registry.experiments import Ending, Trial

_ACTOR = "loop"


def judge_beside(services: Services, task: Task, trial: Trial, seen: Observation) -> list[Judged]:
    """A judgement of each treatment that is left, the surest to be promoted first; one that ends the experiment if
    none is left."""
    own = [test for test in seen.tests if test.experiment == trial.name]
    if not own:
        evidence = {"experiment": trial.name, "reason": "no treatment is left"}
        return [Judged(name=trial.name, action="keep", version=None, step=trial.step, evidence=evidence)]
    live = live_figures(services.cohorts, trial, seen.now) if trial.spec.mode == "mirrored" else {}
    judged = [_judge(services, task, trial, seen, test, live) for test in own]
    return sorted(judged, key=lambda one: (one.action != "promote", -float(one.evidence.get("lower") or 0.0)))


def settle(services: Services, trial: Trial, one: Judged, decision: NewDecision) -> str | None:
    """Carries out what is no promotion: a treatment that lost, or ran out of time, is compared no more; the control is
    kept once none is left. The id of the decision; None if there was nothing to decide."""
    registry, now = services.registry, decision.at
    if one.about:
        registry.decisions.record(decision, now=now)
        if one.action == "wait":
            return decision.id
        registry.challenges.close(one.about, "lost" if one.action == "reject" else "expired", now=now)
    variants = {made: variant for variant, made in challenge_ids(trial.spec, trial.started_at).items()}
    made, reason = decision.id if one.about else None, one.evidence["reason"]
    if not any(left.id in variants for left in registry.challenges.list_open(trial.task)):
        ending: Ending = "harm" if one.evidence.get("harm") else "kept"
        registry.experiments.end(trial.name, ending, actor=_ACTOR, now=now, reason=reason, decision_id=made)
    elif one.about and trial.spec.mode == "mirrored":
        registry.experiments.drop(trial.name, variants[one.about], actor=_ACTOR, now=now, reason=reason)
    return made


def _judge(
    services: Services, task: Task, trial: Trial, seen: Observation, test: OpenTest, live: Mapping[str, Live]
) -> Judged:
    evidence = evidence_of(services, task, test, now=seen.now, lake=seen.lake) | {"experiment": trial.name}
    variant = next(one for one, made in challenge_ids(trial.spec, trial.started_at).items() if made == test.id)
    measured, why = live.get(variant), ""
    if services.registry.versions.get(task.name, test.challenger).state == "quarantined":
        why = "it is in quarantine: it crashed a process"
    elif measured is not None:
        why = harm(measured, trial.spec.harm_alpha / (len(trial.spec.variants) - 1))
    if measured is not None:
        evidence["live"] = msgspec.to_builtins(measured)
    action, reason = _verdict(task, trial, seen, test, evidence)
    if why:
        evidence["harm"], action, reason = True, "reject", f"version {test.challenger}: {why}"
    elif action == "promote" and measured is not None and measured.answered < trial.spec.min_units:
        action, reason = "wait", f"{reason}; it waits until {trial.spec.min_units} rows were mirrored"
    evidence["reason"] = reason
    return Judged(
        name=trial.name, action=action, version=test.challenger, step=trial.step, evidence=evidence, about=test.id
    )


def _verdict(
    task: Task, trial: Trial, seen: Observation, test: OpenTest, evidence: dict[str, Any]
) -> tuple[Action, str]:
    """What follows for a treatment, and why."""
    who, seen_on = f"version {test.challenger}", f"over {evidence['n']} matured predictions"
    if evidence["verdict"] == "better":
        found = f"{who} loses less, by {evidence['estimate']:.4g} and at least {evidence['lower']:.4g}, {seen_on}"
        if seen.splits:
            return "wait", f"{found}; it waits while '{seen.splits[0]}' splits the traffic with the champion"
        return "promote", found
    if evidence["verdict"] == "worse":
        return "reject", f"{who} loses more, by at least {-evidence['upper']:.4g}, {seen_on}"
    matured = seen.now - task.window - (trial.started_at or seen.now)
    if matured >= parse_duration(trial.spec.max_duration):
        return "keep", f"{matured / DAY:.3g} days have matured, and nothing is proven; time promotes nothing"
    return "wait", f"nothing is proven {seen_on}, {max(matured, 0) / DAY:.3g} days of {trial.spec.max_duration}"
