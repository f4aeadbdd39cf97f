"""Is a recipe better than no model? Rolling origin: fitted on the past, judged on what came next, three times over.

Tashman, Out-of-sample tests of forecasting accuracy: an analysis and review, 2000. The folds are set by the number of
rows alone, so that nothing seen in them chose where they begin.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from tropism.core.errors import DataInvalid, TrainingFailed
from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores, served_baseline
from tropism.experiments.comparison import compare
from tropism.learners.fitting import fit_model
from tropism.training.split import MIN_ROWS

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.experiments.evidence import Evidence
    from tropism.training.rows import Rows

_EDGES = (0.4, 0.6, 0.8, 1.0)


class Rolled(NamedTuple):
    """The comparison with the baseline that would answer without a model, and how many fits it took."""

    evidence: Evidence
    fits: int


def against_baseline(task: Task, learner: str, rows: Rows, *, alpha: float, seed: int) -> Rolled:
    """A learner against the mean or the majority, on the last 60% of the rows, fold by fold.

    `alpha`: chance of calling a useless recipe better.

    Raises:
        TrainingFailed: no fold could be fitted.
    """
    scores = reference_scores(task, rows.labels, rows.at, rows.known_at)[served_baseline(task)]
    judged: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    found = []
    edges = [int(share * len(rows.at)) for share in _EDGES]
    for start, stop in pairwise(edges):
        past = np.flatnonzero(rows.known_at[:start] < rows.at[start])
        fold = np.arange(start, stop)
        if len(past) < MIN_ROWS:
            continue
        try:
            model = fit_model(task, learner, rows.take(past), parameters=task.parameters.get(learner), seed=seed)
        except DataInvalid:  # one class so far
            continue
        found.append(losses(task.metric_name, rows.labels[fold], model.predict(rows.features.take(pa.array(fold)))))
        judged.append(fold)
    if not found:
        raise TrainingFailed("the recipe could not be compared with the baseline: too few labels, or one class only")
    where = np.concatenate(judged)
    evidence = compare(
        losses(task.metric_name, rows.labels[where], scores[where]),
        np.concatenate(found),
        labels=None if task.kind == "regression" else rows.labels[where],
        alpha=alpha,
        margin=task.policy.gate.margin,
        plan=len(where),
    )
    return Rolled(evidence, len(found))
