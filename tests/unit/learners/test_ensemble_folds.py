from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.task import Task
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.ensemble_folds import out_of_sample, take
from tropism.learners.ensemble_recipes import fit_member, read_recipes


@pytest.fixture
def task(make_task: Callable[..., Task]) -> Task:
    return make_task("regression")


@pytest.fixture
def data(task: Task, make_data: Callable[..., Dataset]) -> Encoded:
    """Rows that do not come in the order of time."""
    rows, order = make_data("regression"), np.random.default_rng(2).permutation(600)
    matrix = Encoding.fit(task.features, rows.features, "codes").matrix(rows.features)
    return take(Encoded(matrix, rows.labels, rows.at, np.linspace(0.5, 1.0, 600)), order)


def test_every_block_is_scored_by_members_that_saw_only_what_came_before(task: Task, data: Encoded) -> None:
    recipes = read_recipes("mean, linear")
    held = out_of_sample(recipes, data, task, 3, 0)
    assert held is not None
    order = np.argsort(data.at)
    np.testing.assert_array_equal(held.labels, data.labels[order[150:]])
    np.testing.assert_array_equal(held.weights, data.weights[order[150:]])  # type: ignore[index]
    np.testing.assert_array_equal(held.codes, data.matrix[order[150:]])
    means = [np.average(data.labels[order[:n]], weights=data.weights[order[:n]]) for n in (150, 300, 450)]  # type: ignore[index]
    np.testing.assert_allclose(held.scores[0][:, 0], np.repeat(means, 150))
    middle = fit_member(recipes[1], take(data, order[:300]), task, 0)
    np.testing.assert_array_equal(held.scores[1][150:300], middle.predict(data.matrix[order[300:450]], None))


def test_too_few_rows_hold_nothing_out(task: Task, data: Encoded) -> None:
    recipes = read_recipes("mean, linear")
    assert out_of_sample(recipes, take(data, np.arange(30)), task, 1, 0) is None
    held = out_of_sample(recipes, take(data, np.arange(40)), task, 3, 0)
    assert held is not None
    assert len(held.labels) == 20  # only members that learnt from 20 rows or more are asked


def test_a_block_is_left_out_while_there_was_one_class(make_task: Callable[..., Task], data: Encoded) -> None:
    labels = (np.argsort(np.argsort(data.at)) >= 400).astype(np.float64)
    recipes = read_recipes("majority, linear")
    held = out_of_sample(recipes, data._replace(labels=labels), make_task("binary"), 3, 0)
    assert held is not None
    assert len(held.labels) == 150
    assert out_of_sample(recipes, data._replace(labels=labels), make_task("binary"), 1, 0) is None


def test_rows_that_all_weigh_nothing_are_as_none(task: Task, data: Encoded) -> None:
    weights = (np.argsort(np.argsort(data.at)) < 300).astype(np.float64)
    assert out_of_sample(read_recipes("mean, linear"), data._replace(weights=weights), task, 1, 0) is None
