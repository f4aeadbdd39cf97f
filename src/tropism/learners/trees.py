"""Tree ensembles: the estimator behind boosting and the random forest, stored as LightGBM text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.lightgbm_text import audit
from tropism.learners.native_booster import NativeBooster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.learners.base import Floats, Shape, Times

FILE = "model.txt"


class TreeEnsemble(Estimator):
    """Scores come from LightGBM's own predictor; nothing else of LightGBM is imported."""

    format: ClassVar[str] = "lightgbm-text"

    def __init__(self, text: bytes, shape: Shape) -> None:
        """Raises `ArtifactRefused` unless `text` is a sound model of this shape."""
        self._ensemble = audit(text, shape)
        self._text = text
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
        return self._booster.predict(matrix)

    def score(self, values: Sequence[float]) -> Floats:
        return self._booster.score(values)

    def export(self) -> dict[str, bytes]:
        return {FILE: self._text}

    def importance(self) -> Floats:
        """Total gain of the splits on each column."""
        return self._ensemble.gains.clip(min=0.0)

    def close(self) -> None:
        self._booster.close()
