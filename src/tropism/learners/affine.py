"""Linear scores: the estimator behind `linear`, stored as safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.links import ordered_sum, sigmoid, softmax
from tropism.learners.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.task import Kind
    from tropism.learners.base import Floats, Shape, Times

FILE = "weights.safetensors"
_MOST_TERMS = 2**20


class Affine(Estimator):
    """weights (outputs, width) times a row, plus intercept (outputs,), through the link of the kind.

    No BLAS: its kernels add terms in an order that depends on how many rows there are.
    """

    format: ClassVar[str] = "safetensors"

    def __init__(self, kind: Kind, weights: Floats, intercept: Floats) -> None:
        self._kind, self._weights, self._intercept = kind, weights, intercept

    @property
    def weights(self) -> Floats:
        """Weights (outputs, width)."""
        return self._weights

    @property
    def intercept(self) -> Floats:
        """Intercepts (outputs,)."""
        return self._intercept

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        if files.keys() != {FILE}:
            raise ArtifactRefused(
                "the artifact has the wrong files", Fault("files", str(sorted(files)), f"keep {FILE}")
            )
        shapes = {"weights": (shape.outputs, shape.width), "intercept": (shape.outputs,)}
        tensors = read_tensors(files[FILE], shapes)
        return cls(shape.kind, tensors["weights"], tensors["intercept"])

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - weights have no clock
        scores = np.empty((len(matrix), len(self._intercept)))
        step = max(1, _MOST_TERMS // max(1, self._weights.size))
        for start in range(0, len(matrix), step):
            terms = matrix[start : start + step, None, :] * self._weights
            scores[start : start + step] = ordered_sum(terms) + self._intercept
        return self._linked(scores)

    def score(self, values: Sequence[float]) -> Floats:
        return self._linked((ordered_sum(np.array(values, np.float64) * self._weights) + self._intercept)[None, :])

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - weights have no clock
        """Each column times its weight. The baseline is the intercept: what a row of zeros says, which in style
        `standard` has each number at its training mean and each category one that was never seen."""
        out = np.empty((len(matrix), *self._weights.shape[:1], matrix.shape[1] + 1))
        np.multiply(matrix[:, None, :], self._weights, out=out[:, :, :-1])
        out[:, :, -1] = self._intercept
        return out

    def _linked(self, scores: Floats) -> Floats:
        if self._kind == "regression":
            return scores
        return sigmoid(scores) if self._kind == "binary" else softmax(scores)

    def export(self) -> dict[str, bytes]:
        return {FILE: write_tensors({"weights": self._weights, "intercept": self._intercept})}

    def importance(self) -> Floats:
        """Summed size of each column's weights; columns are standardised, so they compare."""
        total: Floats = np.abs(self._weights).sum(axis=0)
        return total
