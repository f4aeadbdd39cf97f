from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from tropism.core.errors import InvalidInput
from tropism.core.task import METRICS
from tropism.evaluation.losses import CLIP, Floats, display, higher_is_better, losses, predicted


def binary(rows: int = 500) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    told = rng.uniform(0.01, 0.99, rows)
    return (rng.random(rows) < told).astype(np.float64), told[:, None]


def three(rows: int = 500) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(1)
    told = rng.dirichlet([1.0, 2.0, 3.0], rows).clip(1e-4)
    told /= told.sum(axis=1, keepdims=True)
    return rng.integers(0, 3, rows).astype(np.float64), told


def test_means_agree_with_scikit_learn() -> None:
    labels, scores = binary()
    assert losses("log_loss", labels, scores).mean() == pytest.approx(oracle.log_loss(labels, scores[:, 0]))
    assert losses("brier", labels, scores).mean() == pytest.approx(oracle.brier_score_loss(labels, scores[:, 0]))
    expected = oracle.accuracy_score(labels, scores[:, 0] >= 0.5)
    assert display("accuracy", float(losses("accuracy", labels, scores).mean())) == pytest.approx(expected)
    labels, scores = three()
    assert losses("log_loss", labels, scores).mean() == pytest.approx(oracle.log_loss(labels, scores))
    expected = oracle.brier_score_loss(labels, scores, scale_by_half=False)
    assert losses("brier", labels, scores).mean() == pytest.approx(expected)
    expected = 1 - oracle.accuracy_score(labels, scores.argmax(axis=1))
    assert losses("accuracy", labels, scores).mean() == pytest.approx(expected)
    truth, guess = labels, scores[:, :1]
    assert losses("mae", truth, guess).mean() == pytest.approx(oracle.mean_absolute_error(truth, guess))
    assert losses("mse", truth, guess).mean() == pytest.approx(oracle.mean_squared_error(truth, guess))


def test_every_metric_that_a_task_may_name_has_a_loss_a_row() -> None:
    data = {"binary": binary(), "multiclass": three(), "regression": binary()}
    for kind, metrics in METRICS.items():
        for metric in metrics:
            assert losses(metric, *data[kind]).shape == (500,)


def test_certainty_that_fails_costs_a_bounded_amount() -> None:
    worst = losses("log_loss", np.array([1.0, 0.0]), np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(worst, -math.log(CLIP))
    assert losses("log_loss", np.array([0.0]), np.array([[0.0, 1.0, 0.0]]))[0] == pytest.approx(-math.log(CLIP))


def test_half_counts_as_positive_and_the_first_of_equals_wins() -> None:
    assert predicted(np.array([[0.5], [0.49]])).tolist() == [1, 0]
    assert predicted(np.array([[0.4, 0.4, 0.2]])).tolist() == [0]


def test_directions() -> None:
    assert [m for m in ("log_loss", "brier", "accuracy", "mae", "mse", "auc", "r2") if higher_is_better(m)] == [
        "accuracy",
        "auc",
        "r2",
    ]


@pytest.mark.parametrize(
    ("metric", "labels", "scores", "field"),
    [
        ("logloss", np.zeros(1), np.zeros((1, 1)), "metric"),
        ("mae", np.zeros(2), np.zeros((1, 1)), "scores"),
        ("mae", np.zeros(1), np.zeros(1), "scores"),
        ("mae", np.zeros(1), np.array([[np.nan]]), "scores"),
        ("mae", np.array([np.nan]), np.zeros((1, 1)), "labels"),
        ("brier", np.array([3.0]), np.zeros((1, 3)), "labels"),
        ("log_loss", np.array([-1.0]), np.zeros((1, 3)), "labels"),
    ],
)
def test_input_that_does_not_fit_is_named(metric: str, labels: Floats, scores: Floats, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        losses(metric, labels, scores)
    assert caught.value.faults[0].field == field
