"""Random forest: Breiman, Random Forests, Machine Learning 45, 2001; grown by LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tropism.learners.base import Learner
from tropism.learners.tree_growing import grow
from tropism.learners.validation import real, whole

if TYPE_CHECKING:
    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator


class RandomForest(Learner):
    """LightGBM with `boosting=rf`: trees on random rows and columns, averaged.

    Rows are drawn without replacement, 63.2% of them: as many different ones as a bootstrap sample holds.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(
        self,
        *,
        num_trees: int = 100,
        num_leaves: int = 127,
        min_data_in_leaf: int = 5,
        max_depth: int = -1,
        bagging_fraction: float = 0.632,
        feature_fraction_bynode: float = 0.7,
    ) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        self.num_trees = whole("num_trees", num_trees, 1, 5_000)
        self.num_leaves = whole("num_leaves", num_leaves, 2, 8_192)
        self.min_data_in_leaf = whole("min_data_in_leaf", min_data_in_leaf, 1, 1_000_000)
        self.max_depth = whole("max_depth", max_depth, -1, 512)
        self.bagging_fraction = real("bagging_fraction", bagging_fraction, 0.01, 0.99)
        self.feature_fraction_bynode = real("feature_fraction_bynode", feature_fraction_bynode, 0.01, 1.0)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:
        return grow(self.num_trees, {**self.parameters, "boosting": "rf", "bagging_freq": 1}, data, task, seed)
