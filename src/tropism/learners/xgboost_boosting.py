"""Gradient-boosted trees: Chen, Guestrin, XGBoost: A Scalable Tree Boosting System, KDD 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tropism.learners.base import Learner
from tropism.learners.validation import real, whole
from tropism.learners.xgboost_growing import grow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator, Parameter


class XGBoost(Learner):
    """XGBoost's gradient boosting by histograms, under its own names. Needs the extra `xgboost` to train, not to serve.

    Categories are split by sets of them; one never seen in training is a category of its own, that of the rare ones
    that the encoding left out, and goes left where there were none. Missing values go the way that suited training.

    Regression tasks judged by mean absolute error are fitted with absolute loss, others with squared loss.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(
        self,
        *,
        num_trees: int = 100,
        max_depth: int = 4,
        learning_rate: float = 0.05,
        min_child_weight: float = 10.0,
        max_bin: int = 256,
        reg_alpha: float = 0.0,
        reg_lambda: float = 1.0,
        gamma: float = 0.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        max_cat_to_onehot: int = 4,
    ) -> None:
        """Raises `SettingInvalid` for a value out of range.

        `num_trees`: rounds; each has a tree an output. https://xgboost.readthedocs.io/en/stable/parameter.html
        """
        self.num_trees = whole("num_trees", num_trees, 1, 5_000)
        self.max_depth = whole("max_depth", max_depth, 1, 15)
        self.learning_rate = real("learning_rate", learning_rate, 1e-4, 1.0)
        self.min_child_weight = real("min_child_weight", min_child_weight, 0.0, 1e6)
        self.max_bin = whole("max_bin", max_bin, 2, 65_535)
        self.reg_alpha = real("reg_alpha", reg_alpha, 0.0, 1e6)
        self.reg_lambda = real("reg_lambda", reg_lambda, 0.0, 1e6)
        self.gamma = real("gamma", gamma, 0.0, 1e9)
        self.subsample = real("subsample", subsample, 0.01, 1.0)
        self.colsample_bytree = real("colsample_bytree", colsample_bytree, 0.01, 1.0)
        self.max_cat_to_onehot = whole("max_cat_to_onehot", max_cat_to_onehot, 1, 1_025)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:
        settings: Mapping[str, Parameter] = {n: value for n, value in self.parameters.items() if n != "num_trees"}
        return grow(self.num_trees, settings, data, task, seed)
