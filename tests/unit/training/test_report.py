"""The learning curve of a training: what the trees say when only some of them are read."""

from __future__ import annotations

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Kind, Task
from tropism.evaluation.metrics import losses
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.trees import FILE
from tropism.training.report import POINTS, report_of
from tropism.training.rows import Rows


@pytest.mark.parametrize("learner", ["lightgbm", "random-forest"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_each_point_is_the_loss_of_the_first_trees_alone(kind: Kind, learner: str) -> None:
    chance = np.random.default_rng(0)
    a, b = chance.normal(size=(2, 900))
    noisy = a * b + 0.3 * chance.normal(size=900)
    labels = {"binary": noisy > 0, "multiclass": np.digitize(noisy, [-0.5, 0.5]), "regression": noisy}[kind] * 1.0
    classes = ("low", "middle", "high") if kind == "multiclass" else ()
    task = Task(name="t", kind=kind, target="y", features=(Feature("a"), Feature("b")), classes=classes)
    at = np.arange(900, dtype=np.int64)
    rows = Rows(pa.table({"a": a, "b": b}), labels, at, at)
    fitted, late = rows.take(np.arange(600)), np.arange(600, 900)
    model = fit_model(task, learner, Dataset(fitted.features, fitted.labels, fitted.at, None), seed=0)
    scores = model.predict(rows.features.take(pa.array(late)), at[late])
    loss = losses(task.metric_name, labels[late], scores)
    told = report_of(task, model, model, rows, late, scores, loss)
    assert len(told.curve) == POINTS
    assert told.curve[-1][1] == pytest.approx(loss.mean())
    booster = lightgbm.Booster(model_str=model.estimator.export()[FILE].decode())
    matrix = model.encoding.matrix(rows.features.take(pa.array(late)))
    for step, value in told.curve:
        alone = np.asarray(booster.predict(matrix, num_iteration=step)).reshape(len(late), -1)
        assert value == pytest.approx(losses(task.metric_name, labels[late], alone).mean(), rel=1e-9)
