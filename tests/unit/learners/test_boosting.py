from __future__ import annotations

from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset, Encoded, Estimator
from tropism.learners.boosting import LightGBM
from tropism.learners.encoding import Encoding
from tropism.learners.trees import TreeEnsemble


def fit(task: Task, data: Dataset, learner: LightGBM) -> tuple[Estimator, Encoded]:
    matrix = Encoding.fit(task.features, data.features, "codes").matrix(data.features)
    rows = Encoded(matrix, data.labels, data.at)
    return learner.fit(rows, task), rows


def test_the_defaults_grow_small_trees() -> None:
    defaults = LightGBM().parameters
    assert defaults["num_trees"] == 100
    assert defaults["num_leaves"] == 7
    assert defaults["learning_rate"] == 0.05
    assert defaults["min_data_in_leaf"] == 50


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_predicts_what_lightgbm_itself_predicts(
    kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    estimator, data = fit(make_task(kind), make_data(kind), LightGBM())
    booster = lightgbm.Booster(model_str=estimator.export()["model.txt"].decode())
    expected = np.asarray(booster.predict(data.matrix)).reshape(len(data.labels), -1)
    np.testing.assert_array_equal(estimator.predict(data.matrix), expected)


def test_it_learns_what_there_is_to_learn(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    task = make_task("regression")
    estimator, _ = fit(task, make_data("regression", rows=2_000), LightGBM())
    fresh = make_data("regression", seed=9)
    encoding = Encoding.fit(task.features, make_data("regression", rows=2_000).features, "codes")
    error = np.abs(estimator.predict(encoding.matrix(fresh.features))[:, 0] - fresh.labels).mean()
    assert error < 0.6 * np.abs(fresh.labels - np.median(fresh.labels)).mean()
    importance = estimator.importance()
    assert importance is not None
    assert np.argmax(importance) == 0


def test_the_objective_follows_the_metric_of_the_task(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    for metric, objective in (("mae", b"objective=regression_l1\n"), ("mse", b"objective=regression\n")):
        estimator, _ = fit(make_task("regression", metric), make_data("regression"), LightGBM(num_trees=2))
        assert objective in estimator.export()["model.txt"]


def test_parameters_reach_lightgbm(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    estimator, _ = fit(make_task("binary"), make_data("binary"), LightGBM(num_trees=7, num_leaves=4))
    assert isinstance(estimator, TreeEnsemble)
    assert estimator.trees == 7
    assert b"num_leaves=5" not in estimator.export()["model.txt"]


@pytest.mark.parametrize(
    "parameters", [{"num_trees": 0}, {"num_trees": True}, {"learning_rate": float("nan")}, {"num_leaves": 1}]
)
def test_a_parameter_out_of_range_is_named(parameters: dict[str, object]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        LightGBM(**parameters)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == next(iter(parameters))
