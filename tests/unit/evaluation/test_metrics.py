from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as oracle

from tropism.core.errors import InvalidInput
from tropism.core.task import Kind
from tropism.evaluation.losses import Floats
from tropism.evaluation.metrics import omissions, summarise

Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]


def binary(rng: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    z = rng.normal(size=rows)
    return (rng.random(rows) < expit(1.5 * z - 0.5)).astype(np.float64), expit(z)[:, None]


def three(rng: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    told = rng.dirichlet([1.0, 1.0, 1.0], rows)
    labels = (rng.random(rows)[:, None] > np.cumsum(told, axis=1)).sum(axis=1).clip(0, 2)
    return labels.astype(np.float64), told


def numbers(rng: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    z = rng.normal(size=rows)
    return z + rng.standard_t(8, size=rows), 0.9 * z[:, None]


DRAWS: list[tuple[Kind, Draw]] = [("binary", binary), ("multiclass", three), ("regression", numbers)]


def test_binary_values_agree_with_scikit_learn() -> None:
    labels, scores = binary(np.random.default_rng(0), 700)
    found, told, p = summarise("binary", labels, scores), scores[:, 0] >= 0.5, scores[:, 0]
    expected = {
        "log_loss": oracle.log_loss(labels, p),
        "brier": oracle.brier_score_loss(labels, p),
        "accuracy": oracle.accuracy_score(labels, told),
        "precision": oracle.precision_score(labels, told),
        "recall": oracle.recall_score(labels, told),
        "f1": oracle.f1_score(labels, told),
        "auc": oracle.roc_auc_score(labels, p),
        "average_precision": oracle.average_precision_score(labels, p),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert set(found) == {*expected, "calibration_error"}


def test_multiclass_and_regression_values_agree_with_scikit_learn() -> None:
    labels, scores = three(np.random.default_rng(0), 700)
    found = summarise("multiclass", labels, scores)
    assert found["macro_f1"].value == pytest.approx(oracle.f1_score(labels, scores.argmax(axis=1), average="macro"))
    labels, scores = numbers(np.random.default_rng(0), 700)
    found = summarise("regression", labels, scores)
    assert found["rmse"].value == pytest.approx(oracle.root_mean_squared_error(labels, scores))
    assert found["r2"].value == pytest.approx(oracle.r2_score(labels, scores))


def test_calibration_error_is_the_gap_between_said_and_came() -> None:
    labels = np.array([1.0, 0.0, 1.0, 1.0])
    found = summarise("binary", labels, np.array([[0.22], [0.28], [0.91], [0.95]]))
    assert found["calibration_error"].value == pytest.approx((2 * 0.25 + 2 * 0.07) / 4)
    rng = np.random.default_rng(0)
    assert summarise("multiclass", *three(rng, 5_000))["calibration_error"].value < 0.03


COVERED: list[tuple[Kind, Draw, str]] = [
    ("binary", binary, "log_loss"),
    ("binary", binary, "accuracy"),
    ("binary", binary, "precision"),
    ("binary", binary, "recall"),
    ("binary", binary, "f1"),
    ("binary", binary, "auc"),
    ("binary", binary, "average_precision"),
    ("multiclass", three, "macro_f1"),
    ("multiclass", three, "brier"),
    ("regression", numbers, "mae"),
    ("regression", numbers, "rmse"),
    ("regression", numbers, "r2"),
]


@pytest.mark.parametrize(("kind", "draw"), DRAWS)
def test_intervals_cover_as_often_as_promised(kind: Kind, draw: Draw) -> None:
    rng = np.random.default_rng(11)
    truth = summarise(kind, *draw(rng, 200_000))
    names = [name for k, _, name in COVERED if k == kind]
    inside = dict.fromkeys(names, 0)
    for run in range(400):
        found = summarise(kind, *draw(rng, 300), seed=run)
        for name in names:
            inside[name] += found[name].low <= truth[name].value <= found[name].high
    shares = {name: count / 400 for name, count in inside.items()}
    assert all(0.92 <= share <= 0.98 for share in shares.values()), shares


@pytest.mark.parametrize(("kind", "draw"), DRAWS)
def test_what_is_reported_and_what_is_left_out_never_overlap(kind: Kind, draw: Draw) -> None:
    rng = np.random.default_rng(2)
    everything = set(summarise(kind, *draw(rng, 200)))
    assert len(everything) > 3
    for rows in (0, 1, 2, 3, 5):
        labels, scores = draw(rng, rows)
        for flat in (labels, np.zeros(rows), np.ones(rows)):
            found, missing = summarise(kind, flat, scores), omissions(kind, flat, scores)
            assert found.keys() | missing.keys() == everything
            assert not found.keys() & missing.keys()
            for interval in found.values():
                assert math.isfinite(interval.value)
                assert interval.low <= interval.value <= interval.high
                assert math.isfinite(interval.low)
                assert math.isfinite(interval.high)


def test_one_class_says_why_there_is_no_area() -> None:
    labels, scores = np.zeros(20), np.full((20, 1), 0.2)
    found, missing = summarise("binary", labels, scores), omissions("binary", labels, scores)
    assert "auc" not in found
    assert missing["auc"] == "needs two rows of each class; there are 0 positive and 20 negative"
    assert missing["precision"] == "no row was predicted to be positive"
    assert found["accuracy"].value == 1.0
    assert found["accuracy"].low < 0.9


def test_a_constant_target_has_no_share_of_variance() -> None:
    assert omissions("regression", np.ones(5), np.zeros((5, 1))) == {"r2": "every label is the same number"}
    assert summarise("regression", np.ones(5), np.ones((5, 1)))["rmse"].value == 0.0


def test_what_is_not_binary_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not binary"):
        summarise("binary", np.array([0.0, 2.0]), np.zeros((2, 1)))
    with pytest.raises(InvalidInput, match="not binary"):
        summarise("binary", np.array([0.0, 1.0]), np.zeros((2, 2)))
