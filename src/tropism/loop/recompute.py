"""Finds the evidence of a decision again, from the lake as it was, and says whether it agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.bandit import Revision
from tropism.core.task import Gate, Task
from tropism.experiments.splits.analysis import Analysis
from tropism.feedback.cohorts import LakeVersions
from tropism.loop.bandits import bandit_evidence
from tropism.loop.gate import evidence_of
from tropism.loop.observe import OpenTest
from tropism.loop.split_evidence import split_evidence
from tropism.registry.experiments import Trial

if TYPE_CHECKING:
    from tropism.loop.services import Services
    from tropism.registry import Decision

_FIGURES = ("n", "estimate", "lower", "upper")
_SPLIT = ("n", "action", "treatment")


class Recomputed(msgspec.Struct, frozen=True, kw_only=True):
    """`agrees` is None when this kind of decision has nothing to recompute; `reason` says why, or what differs."""

    agrees: bool | None
    reason: str
    evidence: dict[str, Any] = {}


def recompute(services: Services, decision: Decision) -> Recomputed:
    """Compare a decision's stored figures with the same ones computed now, to the last digit.

    Raises:
        ArtifactTampered, UnknownVersion: what it rested on is gone or changed.
    """
    stored = decision.evidence
    if stored.get("comparison") in ("split", "bandit") and "trial" in stored:
        return _split_again(services, decision)
    if stored.get("comparison") != "paired" or "test" not in stored:
        return Recomputed(
            agrees=None, reason=f"a '{decision.kind}' decision without a paired comparison is not recomputed"
        )
    task = _as_it_was(services.registry.tasks.get(decision.model), stored)
    test = msgspec.convert(stored["test"], OpenTest)
    lake = msgspec.convert(stored["lake"], LakeVersions)
    found = evidence_of(services, task, test, now=stored["now"], lake=lake)
    wrong = [
        f"{name}: stored {stored[name]}, found {found[name]}"
        for name in _FIGURES
        if stored.get(name) != found.get(name)
    ]
    if found["verdict"] != stored["verdict"]:
        wrong.append(f"verdict: stored {stored['verdict']}, found {found['verdict']}")
    reason = "; ".join(wrong) or f"{found['n']} predictions give the same figures"
    return Recomputed(agrees=not wrong, reason=reason, evidence=found)


def _split_again(services: Services, decision: Decision) -> Recomputed:
    """An experiment's analyses, each bound to nine digits: sums over units come in no fixed order."""
    stored = decision.evidence
    task = _as_it_was(services.registry.tasks.get(decision.model), stored)
    lake, trial = msgspec.convert(stored["lake"], LakeVersions), msgspec.convert(stored["trial"], Trial)
    if stored["comparison"] == "bandit":
        history = msgspec.convert(stored["revisions"], list[Revision])
        found = bandit_evidence(services, task, trial, now=stored["now"], lake=lake, history=history)
    else:
        steps = stored.get("steps", [])
        found = split_evidence(services, task, trial, now=stored["now"], lake=lake, steps=steps)
    wrong = [f"{name}: stored {stored[name]}, found {found[name]}" for name in _SPLIT if stored[name] != found[name]]
    for treatment, analyses in stored["analyses"].items():
        before, again = (
            msgspec.convert(one, list[Analysis]) for one in (analyses, found["analyses"].get(treatment, []))
        )
        same = len(before) == len(again) and all(one.agrees(other) for one, other in zip(before, again, strict=True))
        wrong += [] if same else [f"the analyses of '{treatment}' differ"]
    reason = "; ".join(wrong) or f"{found['n']} predictions give the same figures"
    return Recomputed(agrees=not wrong, reason=reason, evidence=found)


def _as_it_was(task: Task, stored: dict[str, Any]) -> Task:
    """The task with the metric, the outcome window and the gate that the decision was made under, as far as they were
    noted with it."""
    gate = msgspec.convert(stored["policy"], Gate) if "policy" in stored else task.policy.gate
    policy = msgspec.structs.replace(task.policy, gate=gate)
    window = stored.get("outcome_window", task.outcome_window)
    return msgspec.structs.replace(task, metric=stored["metric"], policy=policy, outcome_window=window)
