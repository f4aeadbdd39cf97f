from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from tropism.core.errors import InvalidInput
from tropism.core.task import Kind
from tropism.evaluation.metrics import summarise
from tropism.monitoring.figures import Figure, figures, mean_loss

Floats = np.ndarray


def _world(kind: Kind, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    if kind == "regression":
        scores = rng.normal(5, 2, (n, 1))
        return scores[:, 0] + rng.normal(size=n), scores
    if kind == "binary":
        scores = rng.random((n, 1)).round(2)
        return (rng.random(n) < scores[:, 0]).astype(float), scores
    scores = rng.dirichlet(np.ones(3), n)
    return np.array([rng.choice(3, p=row) for row in scores], dtype=float), scores


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_values_and_intervals_of_independent_rows_are_those_of_evaluation(kind: Kind) -> None:
    labels, scores = _world(kind, np.random.default_rng(0), 2_000)
    found, other = figures(kind, labels, scores), summarise(kind, labels, scores)
    for name in {*found} & {*other}:
        assert found[name].value == pytest.approx(other[name].value), name
        width, usual = _width(found[name]), other[name].high - other[name].low
        assert width == pytest.approx(usual, rel=0.25), name
    assert len({*found} & {*other}) >= 3


def test_multiclass_figures_are_means_over_classes_and_mape_leaves_out_labels_of_zero() -> None:
    labels, scores = _world("multiclass", np.random.default_rng(1), 500)
    found, told = figures("multiclass", labels, scores), scores.argmax(axis=1)
    assert found["precision"].value == pytest.approx(sk.precision_score(labels, told, average="macro"))
    assert found["recall"].value == pytest.approx(sk.recall_score(labels, told, average="macro"))
    assert found["f1"].value == pytest.approx(sk.f1_score(labels, told, average="macro"))
    assert found["auc"].value == pytest.approx(sk.roc_auc_score(labels, scores, multi_class="ovr"))
    mape = figures("regression", np.array([0.0, 2.0, 4.0]), np.array([[1.0], [1.0], [5.0]]))["mape"]
    assert mape.n == 2
    assert mape.value == pytest.approx(0.375)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_intervals_hold_the_truth_as_often_as_they_say_also_where_errors_come_in_spells(correlation: float) -> None:
    """Binary answers that are right 80% of the time; 300 windows of 300 rows."""
    rng = np.random.default_rng(2)
    held = dict.fromkeys(("accuracy", "precision", "recall", "f1"), 0)
    for _ in range(300):
        spells = rng.random(300) < correlation
        told, wrong = rng.random(300) < 0.5, rng.random(300) < 0.2
        for row in np.flatnonzero(spells[1:]) + 1:
            wrong[row] = wrong[row - 1]
        found = figures("binary", (told != wrong).astype(float), told[:, None].astype(float))
        for name in held:
            low, high = found[name].low, found[name].high
            held[name] += low is not None and high is not None and low <= 0.8 <= high
    assert all(0.9 <= count / 300 <= 0.99 for count in held.values()), held


def test_auc_intervals_hold_the_truth_where_scores_come_in_spells() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        noise = rng.normal(size=400)
        for row in range(1, 400):
            noise[row] = 0.6 * noise[row - 1] + 0.8 * noise[row]
        labels = (rng.random(400) < 0.5).astype(float)
        found = figures("binary", labels, (labels + noise)[:, None])["auc"]
        assert found.low is not None and found.high is not None
        held += found.low <= 0.7602 <= found.high  # Phi(1 / sqrt 2)
    assert 0.9 <= held / 300 <= 0.99


def test_what_the_rows_do_not_define_is_left_out() -> None:
    assert figures("binary", np.empty(0), np.empty((0, 1))) == {}
    assert mean_loss("mae", np.empty(0), np.empty((0, 1))) is None
    only = figures("binary", np.zeros(5), np.full((5, 1), 0.1))
    assert {*only} == {"brier", "log_loss", "accuracy"}
    high = only["accuracy"].high
    assert only["accuracy"].value == 1.0 == high and (only["accuracy"].low or 1) < 0.7
    assert figures("regression", np.zeros(3), np.zeros((3, 1))).keys() == {"mae", "mse", "rmse"}
    one = figures("regression", np.array([2.0]), np.array([[1.0]]))
    assert one["mae"] == Figure(1, 1.0) and one["rmse"] == Figure(1, 1.0)


def test_what_does_not_line_up_is_refused() -> None:
    with pytest.raises(InvalidInput, match="line up"):
        figures("regression", np.zeros(2), np.zeros((3, 1)))


def _width(figure: Figure) -> float:
    assert figure.low is not None and figure.high is not None
    return figure.high - figure.low
