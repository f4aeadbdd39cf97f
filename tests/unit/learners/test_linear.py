from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.linear import Linear


def encoded(task: Task, data: Dataset, weights: bool) -> Encoded:
    matrix = Encoding.fit(task.features, data.features, "standard").matrix(data.features)
    rows = np.random.default_rng(0).uniform(0.5, 2.0, len(data.labels)) if weights else None
    return Encoded(matrix, data.labels, data.at, rows)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_agree_with_scikit_learn(
    kind: str, weights: bool, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task(kind)
    data = encoded(task, make_data(kind), weights)
    ours = Linear(l2=2.0).fit(data, task).predict(data.matrix)
    classes = 3 if kind == "multiclass" else 2
    rows = np.concatenate([np.ones(600) if data.weights is None else data.weights, np.full(classes, 1 / classes)])
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000)
    theirs.fit(
        np.vstack([data.matrix, np.zeros((classes, data.matrix.shape[1]))]), [*data.labels, *range(classes)], rows
    )
    expected = theirs.predict_proba(data.matrix)
    np.testing.assert_allclose(ours, expected if kind == "multiclass" else expected[:, 1:], atol=2e-5)


@pytest.mark.parametrize("weights", [False, True])
def test_numbers_agree_with_scikit_learn(
    weights: bool, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task("regression")
    data = encoded(task, make_data("regression"), weights)
    theirs = Ridge(alpha=2.0).fit(data.matrix, data.labels, data.weights)
    ours = Linear(l2=2.0).fit(data, task).predict(data.matrix)
    np.testing.assert_allclose(ours[:, 0], theirs.predict(data.matrix), rtol=1e-9, atol=1e-9)


def test_scaling_the_target_scales_the_answer(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task = make_task("regression")
    data = encoded(task, make_data("regression"), False)
    small = Linear().fit(data, task).predict(data.matrix)
    large = Linear().fit(data._replace(labels=data.labels * 1e90), task).predict(data.matrix)
    np.testing.assert_allclose(large, small * 1e90, rtol=1e-9)


@pytest.mark.parametrize("parameters", [{"l2": 0.0}, {"l2": "much"}, {"max_iterations": 0}, {"max_iterations": 2.5}])
def test_a_parameter_out_of_range_is_named(parameters: dict[str, object]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Linear(**parameters)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == next(iter(parameters))
