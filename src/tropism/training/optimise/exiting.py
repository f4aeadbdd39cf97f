"""Early exit: trees are added to a row only until its answer is clear enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import ArtifactRefused
from tropism.learners.early_exit import EarlyExitTrees, Exit
from tropism.learners.trees import FILE, TreeEnsemble
from tropism.training.optimise.base import MOST_TUNED, Technique, derived

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.quality import Judge

_EVERY = 10
_MARGINS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)


class EarlyExit(Technique):
    """Stops at the smallest margin that stays well within the tolerance on the calibration rows."""

    name = "early-exit"

    def __init__(self, *, judge: Judge, every: int = _EVERY) -> None:
        self.judge = judge
        self.every = every

    def apply(self, model: Model, calibration: Sample) -> Model:
        estimator = model.estimator
        if not isinstance(estimator, TreeEnsemble):
            raise self.refuse(model, "it has no trees of LightGBM", "use it on a classifier that lightgbm trained")
        text, rows = estimator.export()[FILE], calibration.last(MOST_TUNED)
        before = model.predict(rows.features, rows.at)
        for margin in _MARGINS:
            try:
                exiting = EarlyExitTrees(text, model.shape, Exit(self.every, margin))
            except ArtifactRefused as error:
                fault = error.faults[0]
                raise self.refuse(model, fault.fix, "use it on a classifier that lightgbm trained") from error
            tried = derived(model, exiting, self.name)
            scores = tried.predict(rows.features, rows.at)
            if self.judge.compare(rows, before, scores).passes_well:
                return tried
        raise self.refuse(model, "no row is clear before its last tree", "raise the tolerance")
