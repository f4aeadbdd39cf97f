"""The formats that may be loaded as they are. Each is plain data with an audit of its own.

An ensemble (`learners/ensemble.py`) holds estimators of these formats, so it is not among them: ensembles do not nest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.learners.affine import Affine
from tropism.learners.constant import Constant
from tropism.learners.early_exit import EarlyExitTrees
from tropism.learners.onnx_model import OnnxModel
from tropism.learners.trees import TreeEnsemble
from tropism.learners.xgboost_trees import XGBoostTrees

if TYPE_CHECKING:
    from tropism.learners.base import Estimator

SINGLE_FORMATS: dict[str, type[Estimator]] = {
    kind.format: kind for kind in (TreeEnsemble, EarlyExitTrees, XGBoostTrees, OnnxModel, Affine, Constant)
}
