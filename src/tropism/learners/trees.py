"""Tree ensembles: the estimator behind boosting and the random forest, stored as LightGBM text."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.explaining_trees import rounds_averaged
from tropism.learners.leaf_masks import LeafMasks
from tropism.learners.lightgbm_text import audit
from tropism.learners.native_booster import NativeBooster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.learners.base import Floats, Shape, Times

FILE = "model.txt"


class TreeEnsemble(Estimator):
    """Scores are those of LightGBM's own predictor, bit for bit; nothing else of LightGBM is imported."""

    format: ClassVar[str] = "lightgbm-text"

    def __init__(self, text: bytes, shape: Shape) -> None:
        """Raises `ArtifactRefused` unless `text` is a sound model of this shape."""
        self._ensemble = audit(text, shape)
        self._text, self._shape = text, shape
        self._averaged: int | None = None
        self._booster = NativeBooster(text, shape.width, shape.outputs)

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        if files.keys() != {FILE}:
            raise ArtifactRefused(
                "the artifact has the wrong files", Fault("files", str(sorted(files)), f"keep {FILE}")
            )
        return cls(files[FILE], shape)

    @property
    def trees(self) -> int:
        return self._ensemble.trees

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - trees have no clock
        masks = self._masks if len(matrix) >= LeafMasks.least else None
        return self._booster.predict(matrix) if masks is None else masks.predict(matrix)

    def score(self, values: Sequence[float]) -> Floats:
        return self._booster.score(values)

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - trees have no clock
        """By TreeSHAP. Raises `InvalidInput` for trees too deep to be explained."""
        if self._averaged is None:
            self._averaged = rounds_averaged(self._text, self._shape.outputs)
        return self._booster.contributions(matrix) / self._averaged

    def export(self) -> dict[str, bytes]:
        return {FILE: self._text}

    def importance(self) -> Floats:
        """Total gain of the splits on each column."""
        return self._ensemble.gains.clip(min=0.0)

    def close(self) -> None:
        self._booster.close()
        self._masks = None

    @cached_property
    def _masks(self) -> LeafMasks | None:
        """Scores batches with the booster's bits in a fraction of its time; None where it cannot."""
        masks = LeafMasks.of(self._ensemble, self._shape)
        return masks if masks is not None and masks.agrees(self._booster.predict) else None
