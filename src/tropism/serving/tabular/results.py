"""Predictions as a table: what a caller gets back for a table of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tropism.core.errors import ArtifactRefused, Fault
from tropism.serving.scores import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task
    from tropism.learners.base import Floats

_SLACK = 1e-6
"""As in `serving.scores`: rounding that a probability may be off by."""


def settled(task: Task, scores: Floats, rows: int) -> Floats:
    """Scores (rows, width) as they are told, with what `serving.scores.checked` does to single rows.

    Raises:
        ArtifactRefused: wrong shape, not finite, or a probability outside 0..1.
    """
    width = len(task.classes) if task.kind == "multiclass" else 1
    if scores.ndim != 2 or len(scores) != rows or not min(width, 2) <= scores.shape[1] <= width:
        fix = f"a {task.kind} model must give {(rows, width)}"
        raise ArtifactRefused("the model's scores have a wrong shape", Fault("scores", str(scores.shape), fix))
    low, high = (-1e300, 1e300) if task.kind == "regression" else (0.0, 1.0)
    fits = (scores >= low - _SLACK) & (scores <= high + _SLACK)
    if not fits.all():
        fix = f"a {task.kind} model must give numbers from {low:g} to {high:g}"
        raise ArtifactRefused("the model gave an impossible score", Fault("scores", repr(float(scores[~fits][0])), fix))
    out = np.zeros((rows, width))
    np.clip(scores, low, high, out=out[:, : scores.shape[1]])
    return out


def result_table(
    task: Task,
    scores: Floats,
    *,
    version: int,
    variant: str,
    degraded: Sequence[str] = (),
    ids: Sequence[str] | pa.Array | None = None,
    beside: pa.Table | None = None,
) -> pa.Table:
    """The reply to a table: `result_schema`'s columns, a row each.

    `scores` (n, width) as `settled` gives them, or as events of `serving.predictions` hold them. `ids`: of the
    predictions, where they are recorded. `beside`: columns to hand back, such as `entity`; they stand first.
    """
    rows = len(scores)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    if ids is not None:
        columns["prediction_id"] = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
    given = beside if beside is not None else pa.table({})
    columns |= {name: given.column(name) for name in given.column_names if name not in columns}
    columns |= _told(task, scores)
    columns["version"] = pa.repeat(pa.scalar(version, pa.int32()), rows)
    columns["variant"] = pa.repeat(variant, rows)
    columns["degraded"] = pa.repeat(",".join(degraded), rows)
    return pa.table(columns)


def result_schema(task: Task, *, ids: bool, beside: pa.Schema | None = None) -> pa.Schema:
    """The columns of a reply: `prediction_id` if predictions are recorded; what stands beside; `prediction` (bool,
    string or float64); `probability` of true, or `probability_<class>` of each class; `version` (0 is the
    baseline), `variant`, and `degraded`: why something less than the champion answered, separated by commas.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
    >>> result_schema(task, ids=True).names
    ['prediction_id', 'prediction', 'probability', 'version', 'variant', 'degraded']
    """
    width = len(task.classes) if task.kind == "multiclass" else 1
    empty = None if beside is None else beside.empty_table()
    found = result_table(
        task, np.zeros((0, width)), version=0, variant="", ids=pa.array([], pa.string()) if ids else None, beside=empty
    )
    return found.schema


def carried_beside(table: pa.Table, task: Task) -> pa.Table:
    """The columns of checked rows that are handed back: what is not a feature."""
    return table.select([name for name in table.column_names if name not in task.feature_names])


def _told(task: Task, scores: Floats) -> dict[str, pa.Array]:
    if task.kind == "regression":
        return {"prediction": pa.array(scores[:, 0])}
    if task.kind == "binary":
        return {"prediction": pa.array(scores[:, 0] >= THRESHOLD), "probability": pa.array(scores[:, 0])}
    classes = pa.array(task.classes, pa.string())
    best = np.argmax(scores, axis=1) if len(scores) else np.empty(0, np.int64)
    chances = {f"probability_{name}": pa.array(scores[:, index]) for index, name in enumerate(task.classes)}
    return {"prediction": classes.take(pa.array(best)), **chances}
