"""A few rows kept beside a stored model with what its training framework said of them, to check at load that the
served path says the same."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.courtesy import give_way
from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import RowScorer
from tropism.learners.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.learners.base import Estimator, Floats, Shape

FILE = "sample.safetensors"
MOST_ROWS = 32
_MOST_NUMBERS = 2**16


class Sample:
    """Encoded rows (n, width) and the framework's uncalibrated scores (n, outputs), asked for when first needed.

    n follows from the width alone, so that a reader knows it: rows repeat where there were fewer.
    """

    def __init__(self, matrix: Floats, framework: Callable[[Floats], Floats]) -> None:
        self.matrix, self._framework = matrix, framework

    @classmethod
    def choose(cls, matrix: Floats, missing: Floats, framework: Callable[[Floats], Floats]) -> Sample:
        """Rows spread evenly over `matrix`, and last of all `missing` (1, width), the row that lacks everything."""
        count = rows(matrix.shape[1]) - 1
        chosen = np.arange(count) % len(matrix)
        if count < len(matrix):
            chosen = np.linspace(0, len(matrix) - 1, count).astype(np.intp)
        return cls(np.vstack([matrix[chosen], missing]), framework)

    @cached_property
    def scores(self) -> Floats:
        return self._framework(self.matrix.copy())

    def export(self) -> bytes:
        """As one safetensors file. Missing numbers are 0, and marked in a matrix of their own."""
        missing = np.isnan(self.matrix)
        numbers = np.where(missing, 0.0, self.matrix)
        return write_tensors({"matrix": numbers, "missing": missing.astype(np.float64), "scores": self.scores})

    @classmethod
    def load(cls, data: bytes, shape: Shape) -> Sample:
        """Raises `ArtifactRefused` unless `data` is a sample for a model of this shape."""
        count = rows(shape.width)
        encoded = (count, shape.width)
        tensors = read_tensors(data, {"matrix": encoded, "missing": encoded, "scores": (count, shape.outputs)})
        scores = tensors["scores"]
        return cls(np.where(tensors["missing"] != 0.0, np.nan, tensors["matrix"]), lambda _: scores)


class Verification(NamedTuple):
    """What was found at load: largest differences over `rows` rows, each scored alone and all together.

    `difference`: from the framework's scores. `batch_difference`: of a row alone from the row among others. Both are
    absolute for probabilities, and relative to the largest score for numbers where that is above 1.
    """

    rows: int
    tolerance: float
    difference: float
    batch_difference: float


def rows(width: int) -> int:
    """How many rows a sample has.

    >>> rows(20), rows(50_000)
    (32, 2)
    """
    return max(2, min(MOST_ROWS, _MOST_NUMBERS // max(1, width)))


def verify(estimator: Estimator, sample: Sample) -> Verification:
    """Compares the served path with the framework.

    Raises:
        ArtifactRefused: they differ by more than the format's tolerance.
    """
    give_way()
    together = estimator.predict(sample.matrix.copy())
    give_way()
    if isinstance(estimator, RowScorer):
        score = estimator.score
        alone = np.vstack([_alone(lambda row: score(row.tolist()), row) for row in sample.matrix])
    else:
        alone = np.vstack([_alone(estimator.predict, row[None]) for row in sample.matrix])
    expected = sample.scores
    size = max(1.0, float(np.max(np.abs(expected))))
    difference = max(_largest(alone - expected), _largest(together - expected)) / size
    found = Verification(len(alone), estimator.tolerance, difference, _largest(alone - together) / size)
    if not difference <= found.tolerance:  # a difference that is no number does not pass either
        raise ArtifactRefused(
            "the model does not score as it did when it was trained",
            Fault(FILE, f"{difference:g} apart", f"at most {found.tolerance:g} is served; train the model again here"),
        )
    return found


def _alone(score: Callable[[Floats], Floats], row: Floats) -> Floats:
    give_way()
    return score(row)


def _largest(differences: Floats) -> float:
    return float(np.max(np.abs(differences)))
