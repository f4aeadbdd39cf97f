"""Pruning: trees lose their last trees, networks their weakest units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.learners.trees import FILE, TreeEnsemble
from tropism.learners.validation import real
from tropism.training.optimise.base import MOST_TUNED, Technique, derived
from tropism.training.optimise.graphs import graph_of, with_graph
from tropism.training.optimise.tree_text import first_trees
from tropism.training.optimise.unit_pruning import MOST_ROWS, prune_units

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.quality import Judge

SPARSITY = 0.3
_SHARES = tuple(share / 20 for share in range(2, 20))


class Pruning(Technique):
    """Leaves out what is missed least.

    Of trees: the last ones, as many twentieths as stay well within the tolerance on the calibration rows. Boosting
    adds its largest corrections first, and the trees of a forest are alike. Of networks: hidden units with `sparsity`
    of all weights.
    """

    name = "pruned"

    def __init__(self, *, judge: Judge, sparsity: float = SPARSITY) -> None:
        """Raises `SettingInvalid` for a sparsity out of range."""
        self.judge = judge
        self.sparsity = real("sparsity", sparsity, 0.01, 0.9)

    def apply(self, model: Model, calibration: Sample) -> Model:
        if isinstance(model.estimator, TreeEnsemble):
            return self._fewer_trees(model, model.estimator, calibration.last(MOST_TUNED))
        proto = graph_of(model)
        features = calibration.last(MOST_ROWS).features
        pruned = None if proto is None else prune_units(proto, self.sparsity, model.encoding.matrix(features))
        if pruned is None:
            raise self.refuse(model, "it has neither trees of LightGBM nor hidden units", "use it on those")
        return with_graph(model, pruned, self.name)

    def _fewer_trees(self, model: Model, trees: TreeEnsemble, calibration: Sample) -> Model:
        text, outputs = trees.export()[FILE], model.shape.outputs
        rounds = trees.trees // outputs
        before = model.predict(calibration.features, calibration.at)
        for kept in sorted({max(1, round(share * rounds)) for share in _SHARES} - {rounds}):
            tried = derived(model, TreeEnsemble(first_trees(text, kept * outputs), model.shape), self.name)
            scores = tried.predict(calibration.features, calibration.at)
            if self.judge.compare(calibration, before, scores).passes_well:
                return tried
        raise self.refuse(model, f"each of its {rounds} rounds is needed", "raise the tolerance")
