"""XGBoost's trees: the estimator behind `xgboost`, stored as XGBoost's own JSON and served without XGBoost."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners import lightgbm_text
from tropism.learners.base import Estimator
from tropism.learners.explaining_trees import rounds_averaged
from tropism.learners.links import sigmoid, softmax
from tropism.learners.native_booster import NativeBooster
from tropism.learners.xgboost_json import audit
from tropism.learners.xgboost_leaves import NativeLeaves
from tropism.learners.xgboost_translation import MISSING, leaf_values, translate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.learners.base import Floats, Shape, Times
    from tropism.learners.xgboost_json import Singles

FILE = "model.json"
SHIFT = 2.0
"""From a category's code, -1 for unseen, to the number that the translated trees know it by."""
_LARGEST = float(np.finfo(np.float32).max)
_MOST_LEAVES = 2**20


class XGBoostTrees(Estimator):
    """Scores of XGBoost's trees, added up in single precision and in the order in which XGBoost adds them.

    Sums have the bits of `Booster.predict(output_margin=True)`. The sigmoid or softmax is then taken in double
    precision, XGBoost's in single: probabilities differ from `Booster.predict` by at most some 1e-7.
    """

    format: ClassVar[str] = "xgboost-json"
    tolerance: ClassVar[float] = 1e-6

    def __init__(self, data: bytes, shape: Shape) -> None:
        """Raises `ArtifactRefused` unless `data` is a sound model of this shape."""
        forest = audit(data, shape)
        self._data, self._shape, self.trees = data, shape, len(forest.trees)
        self.translated = translate(forest, shape)
        """The trees as LightGBM text: other sums and no base score, but the same leaves."""
        self._gains = lightgbm_text.audit(self.translated, shape).gains
        self._base = logit(forest.base) if shape.kind == "binary" else forest.base
        leaves = [leaf_values(tree) for tree in forest.trees]
        for output, base in enumerate(self._base):  # sums start with it, so the first leaves bring it along
            leaves[output] = base + leaves[output]
        self._values = np.concatenate(leaves)
        self._starts = np.cumsum([0.0, *(len(one) for one in leaves[:-1])])
        self._categorical = forest.categorical
        self._native = NativeLeaves(self.translated, shape.width, self.trees)
        self._explainer: NativeBooster | None = None
        self._explaining = threading.Lock()

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        if files.keys() != {FILE}:
            raise ArtifactRefused(
                "the artifact has the wrong files", Fault("files", str(sorted(files)), f"keep {FILE}")
            )
        return cls(files[FILE], shape)

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - trees have no clock
        step = max(1, _MOST_LEAVES // self.trees)
        parts = [self._part(matrix[start : start + step]) for start in range(0, max(len(matrix), 1), step)]
        return np.concatenate(parts)

    def score(self, values: Sequence[float]) -> Floats:
        row = list(values)
        for index in self._categorical:
            code = row[index]
            row[index] = code + SHIFT if code == code else MISSING
        try:
            leaves = self._native.leaves(row)
        except OverflowError:
            leaves = self._native.leaves([min(max(value, -_LARGEST), _LARGEST) for value in row])
        return self._link(self._sums(leaves))

    def margins(self, matrix: Floats) -> Singles:
        """Sums (n, outputs) before the link."""
        return self._sums(self._native.all_leaves(self._numbers(matrix)))

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - trees have no clock
        """By TreeSHAP over the covers that XGBoost kept. Raises `InvalidInput` for trees too deep to be explained."""
        with self._explaining:
            if self._explainer is None:
                rounds_averaged(self.translated, self._shape.outputs)
                self._explainer = NativeBooster(self.translated, self._shape.width, self._shape.outputs)
        found = self._explainer.contributions(self._numbers(matrix).astype(np.float64))
        found[:, :, -1] += self._base
        return found

    def export(self) -> dict[str, bytes]:
        return {FILE: self._data}

    def importance(self) -> Floats:
        """Total gain of the splits on each column."""
        return self._gains.clip(min=0.0)

    def close(self) -> None:
        self._native.close()
        with self._explaining:
            if self._explainer is not None:
                self._explainer.close()

    def _numbers(self, matrix: Floats) -> Singles:
        cut = np.clip(matrix, -_LARGEST, _LARGEST)
        for index in self._categorical:
            codes = cut[:, index] + SHIFT
            cut[:, index] = np.where(np.isnan(codes), MISSING, codes)
        return cut.astype(np.float32)

    def _part(self, matrix: Floats) -> Floats:
        return self._link(self.margins(matrix))

    def _sums(self, leaves: Floats) -> Singles:
        """Base score and leaves, added one after another: XGBoost's order, and the same for any number of rows."""
        places = (leaves + self._starts).astype(np.intp)
        terms = self._values.take(places).reshape(len(leaves), self.trees // len(self._base), len(self._base))
        sums: Singles = np.add.accumulate(terms, axis=1)[:, -1]
        return sums

    def _link(self, margins: Singles) -> Floats:
        wide = margins.astype(np.float64)
        if self._shape.kind == "regression":
            return wide
        return sigmoid(wide) if self._shape.kind == "binary" else softmax(wide)


def logit(base: Singles) -> Singles:
    """Log-odds of probabilities, of at least `SMALLEST_SHARE` and below 1, in the single precision of XGBoost."""
    one = np.float32(1.0)
    odds: Singles = one / base - one
    return np.array([-math.log(float(value)) for value in odds], np.float32)
