"""What a training leaves for its run: how it went, from what was computed for the choice anyway."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from tropism.evaluation.metrics import losses
from tropism.learners.explaining_trees import rounds_averaged
from tropism.learners.links import sigmoid, softmax
from tropism.learners.trees import FILE, TreeEnsemble
from tropism.training.architecture import architecture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Kind, Task
    from tropism.learners.model import Model
    from tropism.training.rows import Rows

    Floats = NDArray[np.float64]

POINTS = 20
"""Places on a learning curve."""
_BINS = 10
_MOST_LOSSES = 20_000


class Reliability(msgspec.Struct, frozen=True):
    """Rows of like scores: their number, mean score and share of positives."""

    rows: int
    predicted: float
    observed: float


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that candidates were judged on: how many, from when to when (µs), and a digest of them. Runs whose
    digests are equal were judged on the same rows. `losses`: of each row, in their order; empty where they are many.
    """

    rows: int
    since: int
    until: int
    sha256: str
    losses: tuple[float, ...] = ()


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """A training for its run. `curve`: number of trees and mean loss on the validation rows, by the fit that had not
    seen them; empty for learners without rounds. `reliability`: of the same scores, for binary tasks."""

    parameters: dict[str, Any]
    seed: int
    architecture: dict[str, Any]
    importance: dict[str, float]
    validation: Validation
    curve: tuple[tuple[int, float], ...] = ()
    reliability: tuple[Reliability, ...] = ()


def report_of(
    task: Task, judged: Model, refitted: Model, rows: Rows, validation: NDArray[np.intp], scores: Floats, loss: Floats
) -> RunReport:
    """The report of a training.

    `judged`: the best candidate as it was fitted without the validation rows, which got `scores` (n, outputs) and
    `loss` (n,); `refitted`: the model that came of it.
    """
    labels = rows.labels[validation]
    return RunReport(
        parameters=dict(refitted.origin.parameters),
        seed=refitted.origin.seed,
        architecture=architecture(refitted),
        importance=refitted.importance(),
        validation=Validation(
            rows=len(validation),
            since=int(rows.at[validation[0]]),
            until=int(rows.at[validation[-1]]),
            sha256=hashlib.sha256(rows.at[validation].tobytes() + labels.tobytes()).hexdigest(),
            losses=tuple(loss.tolist()) if len(loss) <= _MOST_LOSSES else (),
        ),
        curve=_curve(task, judged, rows.features.take(pa.array(validation)), labels),
        reliability=reliability(labels, scores[:, 0]) if task.kind == "binary" else (),
    )


def reliability(labels: Floats, scores: Floats) -> tuple[Reliability, ...]:
    """Rows in order of their scores (n,), in ten parts of about the same number; labels (n,) are 0 or 1.

    >>> reliability(np.array([0.0, 1.0]), np.array([0.2, 0.9]))
    (Reliability(rows=1, predicted=0.2, observed=0.0), Reliability(rows=1, predicted=0.9, observed=1.0))
    """
    parts = np.array_split(np.argsort(scores, kind="stable"), min(_BINS, len(scores)))
    return tuple(Reliability(len(part), float(scores[part].mean()), float(labels[part].mean())) for part in parts)


def _curve(task: Task, model: Model, features: pa.Table, labels: Floats) -> tuple[tuple[int, float], ...]:
    """The loss after so many rounds of boosting, or trees of a forest: the same trees, read only so far. Each tree is
    read once, since what trees say before the link adds up."""
    estimator = model.estimator
    if not isinstance(estimator, TreeEnsemble):
        return ()
    import lightgbm

    text = estimator.export()[FILE]
    booster = lightgbm.Booster(model_str=text.decode())
    matrix = model.encoding.matrix(features)
    rounds = booster.current_iteration()
    steps = sorted({max(round(rounds * (place + 1) / POINTS), 1) for place in range(POINTS)})
    averaged = rounds_averaged(text, booster.num_model_per_iteration()) > 1
    found, before, total = list[tuple[int, float]](), 0, np.zeros((len(labels), booster.num_model_per_iteration()))
    for step in steps:
        part = booster.predict(
            matrix, start_iteration=before, num_iteration=step - before, raw_score=True, num_threads=1
        )
        total += np.asarray(part, dtype=np.float64).reshape(total.shape)
        scores = _linked(task.kind, total / step if averaged else total)
        found.append((step, float(losses(task.metric_name, labels, scores).mean())))
        before = step
    return tuple(found)


def _linked(kind: Kind, raw: Floats) -> Floats:
    """Scores (n, outputs) of what trees add up to (n, outputs)."""
    if kind == "regression":
        return raw
    return sigmoid(raw) if kind == "binary" else softmax(raw)
