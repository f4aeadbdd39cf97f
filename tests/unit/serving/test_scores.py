from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.core.task import Task
from tropism.serving.scores import checked, prediction, probabilities


def test_predictions_are_in_the_users_terms(price: Task, colour: Task, amount: Task) -> None:
    assert [prediction(price, (p,)) for p in (0.2, 0.5, 0.9)] == [False, True, True]
    assert probabilities(price, (0.25,)) == {"false": 0.75, "true": 0.25}
    assert prediction(colour, (0.5, 0.5)) == "red"
    assert prediction(amount, (7.5,)) == 7.5
    assert probabilities(amount, (7.5,)) is None


@pytest.mark.parametrize(
    "scores",
    [[[float("nan")]], [[1.5]], [[-0.1]], [[0.2, 0.8]], [[0.1], [0.2]], [0.5], np.empty((0, 1))],
)
def test_impossible_scores_are_refused(price: Task, scores: Any) -> None:
    with pytest.raises(ArtifactRefused):
        checked(price, np.array(scores), 1)


def test_an_infinite_number_is_refused(amount: Task) -> None:
    with pytest.raises(ArtifactRefused):
        checked(amount, np.array([[float("inf")]]), 1)


def test_rounding_is_taken_back_and_appended_classes_score_nothing(price: Task, colour: Task) -> None:
    assert checked(price, np.array([[1.0 + 1e-12]]), 1) == [(1.0,)]
    wider = Task(name="c", kind="multiclass", target="y", features=colour.features, classes=("red", "blue", "green"))
    assert checked(wider, np.array([[0.25, 0.75]]), 1) == [(0.25, 0.75, 0.0)]
