"""Losses of model versions on matured predictions, from the journaled features or the scores that were served."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tropism.evaluation.metrics import losses
from tropism.learners.artifact import load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.learners.model import Model
    from tropism.storage.blobs import Blobs


@lru_cache(maxsize=16)
def load_model(artifact: str, blobs: Blobs) -> Model:
    """A verified and audited model; the last few are kept."""
    return load(artifact, blobs)


def features_of(task: Task, table: pa.Table) -> pa.Table:
    """The feature columns of a cohort under their own names."""
    return pa.table({name: table[f"f_{name}"] for name in task.feature_names})


def rescored(task: Task, table: pa.Table, artifact: str, blobs: Blobs) -> NDArray[np.float64]:
    """Loss of each row (n,) under the model of an artifact, scored from the features that were journaled."""
    if table.num_rows == 0:
        return np.empty(0)
    scores = load_model(artifact, blobs).predict(features_of(task, table))
    return losses(task.metric_name, table["label"].to_numpy(), scores)


def served(task: Task, table: pa.Table) -> NDArray[np.float64]:
    """Loss of each row (n,) under the scores that were served. Rows must have scores."""
    if table.num_rows == 0:
        return np.empty(0)
    flat = table["scores"].combine_chunks()
    scores = flat.flatten().to_numpy().reshape(table.num_rows, -1)
    return losses(task.metric_name, table["label"].to_numpy(), scores)
