"""Two versions side by side: what they were made of, what they say of the same rows, and which of them to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.evaluation.losses import losses, predicted
from tropism.experiments.comparison import compare as compare_losses
from tropism.experiments.evidence import Evidence
from tropism.learners.artifact import load, read_manifest
from tropism.registry.comparison import Comparison, Difference, compare, differences

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.artifact import BlobStore
    from tropism.learners.base import Floats
    from tropism.registry import ModelVersion
    from tropism.training.optimise.base import Sample

Choice = Literal["a", "b", "either", "wait"]


class Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """How far scores of the same rows lie apart. `changed`: share of rows decided otherwise; None for numbers."""

    rows: int
    largest: float
    mean: float
    changed: float | None


class VersionComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions, `a` and `b`. `files`: names and digests that differ. `losses`: `a` as the incumbent; it and
    `predictions` are None where there are no rows that neither learnt from. `choice` is what `reason` speaks for."""

    model: str
    a: int
    b: int
    facts: Comparison
    same_artifact: bool
    files: tuple[Difference, ...]
    predictions: Predictions | None
    losses: Evidence | None
    choice: Choice
    reason: str


def compare_versions(
    task: Task, a: ModelVersion, b: ModelVersion, blobs: BlobStore, rows: Sample | None
) -> VersionComparison:
    """Compares two versions of a task's model. `rows`: labelled ones that neither learnt from, oldest first.

    The verdict on losses is valid however often it is asked for (`experiments.comparison`).

    Raises:
        NotFound, ArtifactTampered, ArtifactRefused, MissingExtra: one of them cannot be loaded.
    """
    sides = [msgspec.to_builtins(one) for one in (a, b)]
    manifests = [read_manifest(one.artifact, blobs) for one in (a, b)]
    files = [{file.name: file.sha256 for file in one.files} for one in manifests]
    predictions, found = None, None
    if rows is not None and len(rows.labels):
        left, right = (load(one.artifact, blobs).predict(rows.features, rows.at) for one in (a, b))
        predictions = _apart(task, left, right)
        found = _judged(task, rows, left, right)
    choice, reason = _choice(task, a, b, predictions, found)
    return VersionComparison(
        model=task.name,
        a=a.version,
        b=b.version,
        facts=compare(task.name, *sides),
        same_artifact=a.artifact == b.artifact,
        files=differences(*files),
        predictions=predictions,
        losses=found,
        choice=choice,
        reason=reason,
    )


def _apart(task: Task, left: Floats, right: Floats) -> Predictions:
    each = np.max(np.abs(left - right), axis=1)
    changed = None if task.kind == "regression" else float(np.mean(predicted(left) != predicted(right)))
    return Predictions(rows=len(each), largest=float(each.max()), mean=float(each.mean()), changed=changed)


def _judged(task: Task, rows: Sample, left: Floats, right: Floats) -> Evidence:
    rule = task.policy.gate
    return compare_losses(
        losses(task.metric_name, rows.labels, left),
        losses(task.metric_name, rows.labels, right),
        cohorts=rows.at // DAY,
        labels=None if task.kind == "regression" else rows.labels,
        alpha=rule.alpha,
        min_outcomes=rule.min_outcomes,
        plan=rule.plan,
    )


def _choice(
    task: Task, a: ModelVersion, b: ModelVersion, predictions: Predictions | None, found: Evidence | None
) -> tuple[Choice, str]:
    if a.artifact == b.artifact:
        return "either", "both have the same artifact, so they always answer alike"
    if found is None or predictions is None:
        return "wait", "not assessed: no labelled rows are there that neither of them learnt from"
    if predictions.largest == 0.0:
        return "either", f"they gave the same scores to {predictions.rows:,} rows"
    told = (
        f"{task.metric_name} loss {found.incumbent:.4g} of version {a.version} and {found.challenger:.4g} of version "
        f"{b.version} on {found.n:,} rows"
    )
    if found.verdict == "better":
        return "b", f"{told}: version {b.version} is shown to be better"
    if found.verdict == "worse":
        return "a", f"{told}: version {a.version} is shown to be better"
    return "wait", f"{told}: neither is shown to be better yet"
