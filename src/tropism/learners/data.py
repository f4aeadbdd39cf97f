"""What learners and estimators exchange: rows to learn from, and the shape of what is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.core.task import Kind, Task

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Parameter = bool | int | float | str | None
Style = Literal["codes", "standard"]
"""`codes`: a column a feature, categories as codes, NaN for missing. `standard`: standardised and one-hot, no NaN."""


class Dataset(NamedTuple):
    """Rows to learn from, oldest first.

    `features`: a column a feature, named as the task names it. `labels`: (n,), as `Task.label` stores them.
    `at`: (n,) moments of prediction, µs since the epoch. `weights`: (n,) non-negative, or None for ones.
    """

    features: pa.Table
    labels: Floats
    at: Times
    weights: Floats | None = None


class Encoded(NamedTuple):
    """A `Dataset` whose features are a matrix (n, width) in the learner's style."""

    matrix: Floats
    labels: Floats
    at: Times
    weights: Floats | None = None


class Shape(NamedTuple):
    """What an estimator takes and gives: `width` columns in, `outputs` scores out."""

    kind: Kind
    outputs: int
    width: int

    @classmethod
    def of(cls, task: Task, width: int) -> Shape:
        return cls(task.kind, len(task.classes) if task.kind == "multiclass" else 1, width)
