"""Distillation: a smaller model learns the scores of the larger one.

Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015. A probability is learnt as two rows of
opposite label that count p and 1 - p, which gives the cross-entropy with the teacher under any learner's own loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.core.task import Feature, Task
from tropism.learners.affine import Affine
from tropism.learners.base import Encoded
from tropism.learners.calibration import Identity
from tropism.learners.constant import Constant
from tropism.learners.encoding import Column, Encoding, EncodingFacts
from tropism.learners.fitting import make_learner
from tropism.learners.model import Model
from tropism.learners.trees import TreeEnsemble
from tropism.learners.xgboost_trees import XGBoostTrees
from tropism.training.optimise.base import Technique, derived

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.learners.base import Floats, Parameter
    from tropism.training.optimise.base import Sample

FEWEST = 200
"""Rows below which a student has too little to learn from."""
_STUDENT: dict[str, Parameter] = {"num_trees": 50, "num_leaves": 31, "learning_rate": 0.3, "min_data_in_leaf": 20}


class Distillation(Technique):
    """A student of boosted trees, on the calibrated scores that the teacher gives to the calibration rows.

    The student has a quarter of the trees of a teacher with trees, at most. It starts from the teacher's categories.
    """

    name = "distilled"

    def __init__(self, *, metric: str, parameters: Mapping[str, Parameter] | None = None) -> None:
        self.metric = metric
        self.parameters = {**_STUDENT, **(parameters or {})}

    def apply(self, model: Model, calibration: Sample) -> Model:
        if isinstance(model.estimator, Affine | Constant):
            raise self.refuse(model, "there is nothing smaller to learn it", "use it on trees or on a network")
        if len(calibration.labels) < FEWEST:
            rows = len(calibration.labels)
            raise self.refuse(model, f"{rows} rows are too few to learn from", f"wait for {FEWEST} labelled rows")
        parameters = dict(self.parameters)
        if isinstance(model.estimator, TreeEnsemble | XGBoostTrees):
            rounds = model.estimator.trees // model.shape.outputs
            parameters["num_trees"] = max(1, min(int(parameters["num_trees"] or 1), rounds // 4))
        learner = make_learner("lightgbm", parameters)
        columns = (Column(one.name, one.type, one.categories) for one in model.encoding.facts.columns)
        encoding = Encoding(EncodingFacts(learner.style, tuple(columns)))
        scores = model.predict(calibration.features, calibration.at)
        taught = _taught(model, encoding.matrix(calibration.features), scores, calibration)
        student = learner.fit(taught, self._task(model), model.origin.seed)
        pupil = Model(model.signature, model.origin, encoding, student)
        return derived(pupil, student, self.name, packages=("lightgbm",), calibration=Identity())

    def _task(self, model: Model) -> Task:
        """As much of the task as a learner looks at."""
        signature = model.signature
        features = tuple(Feature(column.name, type=column.type) for column in model.encoding.facts.columns)
        return Task(
            name=signature.task,
            kind=signature.kind,
            target="the teacher's scores",
            features=features,
            classes=signature.classes,
            metric=self.metric,
        )


def _taught(model: Model, matrix: Floats, scores: Floats, rows: Sample) -> Encoded:
    """The rows, each as often as it has classes, with the teacher's probability as its weight."""
    if model.signature.kind == "regression":
        return Encoded(matrix, scores[:, 0], rows.at)
    shares = scores if scores.shape[1] > 1 else np.column_stack([1.0 - scores[:, 0], scores[:, 0]])
    count, classes = shares.shape
    which = np.repeat(np.arange(count), classes)
    labels, weights = np.tile(np.arange(classes, dtype=np.float64), count), shares.ravel()
    told = weights > 0.0
    return Encoded(matrix[which[told]], labels[told], rows.at[which[told]], weights[told])
