"""Gate: evidence for and against each open test, and the verdict that it allows.

A challenger is compared with the champion on the same predictions, made after both were trained, matured, and
scored from the features that were journaled; a former champion on predictions made after it was replaced, and an
experiment's treatment on those made since its start. See `docs/adr/0004`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pyarrow.compute as pc

from tropism.core.clock import DAY
from tropism.experiments.comparison import compare
from tropism.feedback.cohorts import LakeVersions
from tropism.feedback.joining import moments
from tropism.loop.losses import rescored

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.observe import Observation, OpenTest
    from tropism.loop.services import Services
    from tropism.loop.train import Trained

Kind = Literal["promote", "reject", "wait", "rollback", "keep"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done about one version, and everything needed to find the same again."""

    kind: Kind
    version: int
    test: str | None
    evidence: dict[str, Any]


def gate(services: Services, task: Task, seen: Observation, trained: Trained | None) -> list[Verdict]:
    """A verdict for each open test but those of experiments, and for a first model that has no champion to beat."""
    if seen.champion is None:
        return [_first(task, trained)] if trained is not None and trained.version is not None else []
    aimed = [test for test in seen.tests if test.incumbent == seen.champion and not test.experiment]
    return [_judge(services, task, seen, test) for test in aimed]


def _first(task: Task, trained: Trained) -> Verdict:
    """A first model must beat what answers without it, on rows that its fits had not seen."""
    result = trained.result
    assert result is not None and trained.version is not None and result.against_baseline is not None
    evidence = {
        **result.against_baseline,
        "comparison": "baseline",
        "metric": task.metric_name,
        "baselines": result.baselines,
        "artifact": result.artifact,
        "data": result.data,
    }
    better = evidence["verdict"] == "better"
    return Verdict(kind="promote" if better else "reject", version=trained.version, test=None, evidence=evidence)


def _judge(services: Services, task: Task, seen: Observation, test: OpenTest) -> Verdict:
    evidence = evidence_of(services, task, test, now=seen.now, lake=seen.lake)
    return Verdict(kind=_kind(task, test, evidence), version=test.challenger, test=test.id, evidence=evidence)


def evidence_of(services: Services, task: Task, test: OpenTest, *, now: int, lake: LakeVersions) -> dict[str, Any]:
    """The paired comparison of a test, as plain values. The same arguments give the same evidence."""
    versions = services.registry.versions
    incumbent = versions.get(task.name, test.incumbent)
    challenger = versions.get(task.name, test.challenger)
    from_start = test.kind == "probation" or bool(test.experiment)
    since = test.opened_at if from_start else max(incumbent.created_at, challenger.created_at)
    table = services.cohorts.matured(task, now=now, since=since + 1, versions=lake).table
    table = table.filter(pc.not_equal(table["variant"], "import"))
    rule = task.policy.gate
    found = compare(
        rescored(task, table, incumbent.artifact, services.blobs),
        rescored(task, table, challenger.artifact, services.blobs),
        cohorts=moments(table, "at") // DAY,
        labels=None if task.kind == "regression" else table["label"].to_numpy(),
        alpha=test.alpha,
        margin=rule.margin if test.kind == "challenge" else 0.0,
        min_outcomes=max(rule.min_outcomes, test.least),
        plan=rule.plan,
    )
    return {
        "comparison": "paired",
        "metric": task.metric_name,
        "outcome_window": task.outcome_window,
        "since": since,
        "now": now,
        "lake": msgspec.to_builtins(lake),
        "test": msgspec.to_builtins(test),
        "policy": msgspec.to_builtins(rule),
        **msgspec.to_builtins(found),
        "incumbent": {"version": incumbent.version, "artifact": incumbent.artifact, "loss": found.incumbent},
        "challenger": {"version": challenger.version, "artifact": challenger.artifact, "loss": found.challenger},
    }


def _losing(test: OpenTest) -> Kind:
    return "reject" if test.kind == "challenge" else "keep"


def _kind(task: Task, test: OpenTest, evidence: dict[str, Any]) -> Kind:
    winning: Kind = "promote" if test.kind == "challenge" else "rollback"
    limit = task.policy.gate.max_outcomes if test.kind == "challenge" else task.policy.rollback_outcomes
    if evidence["verdict"] == "better":
        return winning
    if evidence["verdict"] == "worse" or evidence["n"] >= limit:
        return _losing(test)
    return "wait"
