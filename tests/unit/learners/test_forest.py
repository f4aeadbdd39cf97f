from __future__ import annotations

from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from tropism.core.errors import DataInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.forest import RandomForest


def encoded(task: Task, data: Dataset) -> Encoded:
    return Encoded(Encoding.fit(task.features, data.features, "codes").matrix(data.features), data.labels, data.at)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_averages_its_trees_as_lightgbm_does(
    kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task(kind)
    data = encoded(task, make_data(kind))
    estimator = RandomForest().fit(data, task)
    text = estimator.export()["model.txt"]
    assert b"\naverage_output\n" in text
    expected = np.asarray(lightgbm.Booster(model_str=text.decode()).predict(data.matrix)).reshape(len(data.labels), -1)
    np.testing.assert_array_equal(estimator.predict(data.matrix), expected)


def test_another_seed_grows_other_trees(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    task = make_task("binary")
    data = encoded(task, make_data("binary"))
    assert RandomForest().fit(data, task, 1).export() != RandomForest().fit(data, task, 2).export()


@pytest.mark.parametrize(
    ("kind", "metric", "expected"),
    [("binary", None, [0.9]), ("regression", "mse", [0.9]), ("regression", "mae", [1.0])],
)
def test_trees_that_found_no_split_answer_with_the_average(
    kind: str, metric: str | None, expected: list[float], make_task: Callable[..., Task]
) -> None:
    task = make_task(kind, metric)
    labels = np.array([1.0] * 18 + [0.0] * 2)
    data = Encoded(np.zeros((20, 4)), labels, np.arange(20, dtype=np.int64))
    scores = RandomForest().fit(data, task).predict(data.matrix)
    np.testing.assert_allclose(scores, np.tile(expected, (20, 1)), rtol=1e-6)


def test_a_class_that_was_never_seen_is_as_good_as_impossible(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task("multiclass")
    data = encoded(task, make_data("multiclass"))
    labels = np.minimum(data.labels, 1.0)
    scores = RandomForest().fit(data._replace(labels=labels), task).predict(data.matrix)
    assert np.all(scores[:, 2] < 1e-9)
    assert np.mean(np.argmax(scores, axis=1) == labels) > 0.85


def test_targets_beyond_single_precision_are_refused(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task("regression")
    data = encoded(task, make_data("regression"))
    with pytest.raises(DataInvalid, match="too large"):
        RandomForest().fit(data._replace(labels=data.labels * 1e20), task)
