"""Gradient-boosted trees: Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tropism.learners.base import Learner
from tropism.learners.tree_growing import grow
from tropism.learners.validation import real, whole

if TYPE_CHECKING:
    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator


class LightGBM(Learner):
    """LightGBM's gradient boosting, under its own names.

    The trees are smaller and slower than its own defaults (31 leaves, 20 rows a leaf, rate 0.1): on the drifting
    streams of docs/replays.md these did better, and models that are replaced often see little data each.

    Regression tasks judged by mean absolute error are fitted with absolute loss, others with squared loss.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(
        self,
        *,
        num_trees: int = 100,
        num_leaves: int = 7,
        learning_rate: float = 0.05,
        min_data_in_leaf: int = 50,
        max_depth: int = -1,
        max_bin: int = 255,
        lambda_l1: float = 0.0,
        lambda_l2: float = 0.0,
        feature_fraction: float = 1.0,
        bagging_fraction: float = 1.0,
        bagging_freq: int = 0,
        min_data_per_group: int = 100,
        cat_smooth: float = 10.0,
        cat_l2: float = 10.0,
    ) -> None:
        """Raises `SettingInvalid` for a value out of range.

        https://lightgbm.readthedocs.io/en/stable/Parameters.html
        """
        self.num_trees = whole("num_trees", num_trees, 1, 5_000)
        self.num_leaves = whole("num_leaves", num_leaves, 2, 8_192)
        self.learning_rate = real("learning_rate", learning_rate, 1e-4, 1.0)
        self.min_data_in_leaf = whole("min_data_in_leaf", min_data_in_leaf, 1, 1_000_000)
        self.max_depth = whole("max_depth", max_depth, -1, 512)
        self.max_bin = whole("max_bin", max_bin, 2, 65_535)
        self.lambda_l1 = real("lambda_l1", lambda_l1, 0.0, 1e6)
        self.lambda_l2 = real("lambda_l2", lambda_l2, 0.0, 1e6)
        self.feature_fraction = real("feature_fraction", feature_fraction, 0.01, 1.0)
        self.bagging_fraction = real("bagging_fraction", bagging_fraction, 0.01, 1.0)
        self.bagging_freq = whole("bagging_freq", bagging_freq, 0, 1_000)
        self.min_data_per_group = whole("min_data_per_group", min_data_per_group, 1, 1_000_000)
        self.cat_smooth = real("cat_smooth", cat_smooth, 0.0, 1e6)
        self.cat_l2 = real("cat_l2", cat_l2, 0.0, 1e6)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:
        return grow(self.num_trees, self.parameters, data, task, seed)
