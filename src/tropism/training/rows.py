"""The labelled rows of a job, read from the file that came with its request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from tropism.core.errors import Fault, TrainingFailed
from tropism.learners.base import Dataset
from tropism.training.split import MIN_ROWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tropism.core.task import Task


class Rows(NamedTuple):
    """`features`: a column a feature. `labels`, `at`, `known_at`: (n,); times in µs, `at` ascending."""

    features: pa.Table
    labels: NDArray[np.float64]
    at: NDArray[np.int64]
    known_at: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Those rows, to be learnt from."""
        return Dataset(self.features.take(pa.array(rows)), self.labels[rows], self.at[rows], None)

    def digest(self, rows: NDArray[np.intp]) -> str:
        """SHA-256 of those rows' features and labels."""
        digest = hashlib.sha256()
        table = self.features.take(pa.array(rows)).append_column("label", pa.array(self.labels[rows]))
        for batch in table.combine_chunks().to_batches():
            digest.update(batch.serialize())
        return digest.hexdigest()


def read_rows(task: Task, path: str) -> Rows:
    """Rows of an Arrow file.

    Raises:
        TrainingFailed: there are too few.
    """
    with pa.memory_map(path) as source:
        table = pa.ipc.open_file(source).read_all()
    if table.num_rows < 2 * MIN_ROWS:
        fix = f"wait for at least {2 * MIN_ROWS} labelled predictions, or import history: `tropism train --data`"
        raise TrainingFailed(f"there are {table.num_rows} labelled rows", Fault("rows", str(table.num_rows), fix))
    features = pa.table({name: table[f"f_{name}"] for name in task.feature_names})
    return Rows(features, table["label"].to_numpy(), table["at"].to_numpy(), table["label_at"].to_numpy())
