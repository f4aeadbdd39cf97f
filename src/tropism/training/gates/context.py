"""What gates look at. It is put together by whoever runs them, so that gates themselves ask nobody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tropism.core.governance import GateResult
from tropism.evaluation.losses import losses
from tropism.evaluation.references import reference_scores
from tropism.learners.artifact import load
from tropism.training.optimise.base import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.learners.artifact import BlobStore
    from tropism.learners.base import Floats, Times
    from tropism.learners.model import Model
    from tropism.registry import ModelVersion
    from tropism.registry.levels import Standing
    from tropism.registry.reviews import Review

EXAMPLES = 256
_UNSEEN = "a category that was never seen"


class Evidence(NamedTuple):
    """Labelled rows that a version did not learn from, oldest first, and scores (n, outputs) of each baseline."""

    rows: Sample
    baselines: dict[str, Floats]


class Drift(NamedTuple):
    """How far each feature moved between training and now (Jensen-Shannon distance), and rows on either side."""

    distances: dict[str, float]
    reference: int
    current: int


@dataclass(frozen=True)
class GateContext:
    """A version on its way to a level.

    `standing`: where it stands now. `evidence`: None where there are no rows that it did not learn from. `champion`:
    None while there is none. `champion_since`: rows made later (µs) are new to the champion too. `drift`: measures,
    when asked; None where nobody can. `now`: µs.
    """

    task: Task
    version: ModelVersion
    level: str
    artifacts: BlobStore
    now: int
    standing: Standing
    evidence: Evidence | None = None
    champion: ModelVersion | None = None
    champion_since: int = 0
    reviews: tuple[Review, ...] = ()
    drift: Callable[[], Drift | None] | None = None

    @cached_property
    def model(self) -> Model:
        """The version's model, verified. Raises what `learners.artifact.load` does."""
        return load(self.version.artifact, self.artifacts)

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """Rows as they are sent: the newest of the evidence, else made-up ones that fit the model's columns."""
        if self.evidence is not None and len(self.evidence.rows.labels):
            return list(self.evidence.rows.last(EXAMPLES).features.to_pylist())
        return _made_up(self.model)

    @cached_property
    def codes(self) -> Floats:
        """The examples as numbers (n, features), NaN where a value is missing."""
        return np.array([self.model.encoding.codes(row) for row in self.examples], np.float64)


def evidence_since(
    task: Task, features: pa.Table, labels: Floats, at: Times, known_at: Times, since: int
) -> Evidence | None:
    """Evidence from matured rows, oldest first, of which the `features` are those from `since` (µs) on, exclusive.

    The baselines learn from all `labels` (n,) that were known at the time. None where no row is that new.
    """
    first = int(np.searchsorted(at, since, side="right"))
    if first == len(at):
        return None
    scores = reference_scores(task, labels, at, known_at)
    rows = Sample(features, labels[first:], at[first:])
    return Evidence(rows, {name: made[first:] for name, made in scores.items()})


def best_baseline(task: Task, evidence: Evidence) -> tuple[str, Floats]:
    """The baseline with the smallest mean loss by the task's metric, and its losses (n,)."""
    found = {
        name: losses(task.metric_name, evidence.rows.labels, scores) for name, scores in evidence.baselines.items()
    }
    best = min(found, key=lambda name: float(np.mean(found[name])))
    return best, found[best]


def unassessed(name: str, required: str, why: str) -> GateResult:
    """The result of a gate that had nothing to look at; that does not pass."""
    return GateResult(name=name, passed=False, required=required, message=f"not assessed: {why}", assessed=False)


def _made_up(model: Model) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [{} for _ in range(EXAMPLES)]
    for column in model.encoding.facts.columns:
        if column.type == "number":
            values: list[Any] = (column.mean + column.scale * rng.normal(size=EXAMPLES)).tolist()
        elif column.type == "boolean":
            values = [bool(one) for one in rng.integers(2, size=EXAMPLES)]
        else:
            known = [*column.categories, _UNSEEN]
            values = [known[one] for one in rng.integers(len(known), size=EXAMPLES)]
        for row, value in zip(rows, values, strict=True):
            row[column.name] = value
    return rows
