from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, InvalidInput
from tropism.evaluation.metrics import summarise
from tropism.learners.links import sigmoid, softmax
from tropism.monitoring.estimation import CBPE, calibrated
from tropism.monitoring.estimation.confidence import Floats

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "brier", "log_loss")


def _binary(rng: np.random.Generator, rows: int, shift: float = 0.0, warp: float = 1.0) -> tuple[Floats, Floats]:
    """Scores that are the true probabilities, made `warp` times as sure; `shift` moves the input, not its meaning."""
    odds = 1.5 * rng.normal(shift, 1, rows) - 0.5
    labels = (rng.random(rows) < sigmoid(odds)).astype(float)
    return sigmoid(warp * odds)[:, None], labels


def _three(rng: np.random.Generator, rows: int, shift: float = 0.0, warp: float = 1.0) -> tuple[Floats, Floats]:
    odds = 1.5 * (rng.normal(size=(rows, 3)) + np.array([shift, 0.0, 0.0]))
    labels = (rng.random(rows)[:, None] > softmax(odds).cumsum(axis=1)[:, :2]).sum(axis=1).astype(float)
    return softmax(warp * odds), labels


@pytest.mark.parametrize("warp", [1.0, 2.0], ids=["calibrated", "too sure"])
@pytest.mark.parametrize("shift", [0.0, 0.7], ids=["same inputs", "shifted inputs"])
def test_intervals_hold_what_the_labels_show_later(shift: float, warp: float) -> None:
    """95% are stated; 80 windows of each metric hold at least 89% (2.5 standard errors below)."""
    rng, held = np.random.default_rng(1), dict.fromkeys(METRICS, 0)
    for _ in range(80):
        estimator = calibrated("binary", *_binary(rng, 1_000, warp=warp))
        scores, labels = _binary(rng, 500, shift, warp)
        truth = summarise("binary", labels, scores)
        for metric, found in estimator.estimate(scores).items():
            assert found.low is not None and found.high is not None
            held[metric] += found.low <= truth[metric].value <= found.high
    assert min(held.values()) >= 0.89 * 80, held


def test_intervals_of_three_classes_hold_what_the_labels_show_later() -> None:
    rng, names = np.random.default_rng(2), {"accuracy": "accuracy", "f1": "macro_f1", "brier": "brier"}
    held = dict.fromkeys(names, 0)
    for _ in range(60):
        estimator = calibrated("multiclass", *_three(rng, 1_000, warp=2.0))
        scores, labels = _three(rng, 500, 0.7, 2.0)
        truth = summarise("multiclass", labels, scores)
        for metric, found in estimator.estimate(scores, list(names)).items():
            assert found.low is not None and found.high is not None
            held[metric] += found.low <= truth[names[metric]].value <= found.high
    assert min(held.values()) >= 0.88 * 60, held


def test_a_drop_that_inputs_cause_is_seen_without_labels() -> None:
    rng = np.random.default_rng(3)
    estimator = calibrated("binary", *_binary(rng, 5_000))
    away, near = rng.normal(4, 0.3, 2_000), rng.normal(0.3, 0.3, 2_000)
    far = estimator.estimate(sigmoid(1.5 * away - 0.5)[:, None])["accuracy"]
    close = estimator.estimate(sigmoid(1.5 * near - 0.5)[:, None])["accuracy"]
    assert far.low is not None and close.high is not None
    assert far.low > 0.9 and close.high < 0.65


def test_concept_shift_is_not_seen_which_is_what_the_assumption_says() -> None:
    """Labels turned round on the same inputs: the estimate stays where it was, far from the truth."""
    rng = np.random.default_rng(4)
    estimator = calibrated("binary", *_binary(rng, 5_000))
    scores, labels = _binary(rng, 5_000)
    found, truth = estimator.estimate(scores)["accuracy"], summarise("binary", 1 - labels, scores)["accuracy"].value
    assert found.low is not None and truth < 0.3 < 0.7 < found.low
    assert "Concept shift" in estimator.assumption


def test_scores_are_calibrated_only_where_that_helps() -> None:
    rng = np.random.default_rng(5)
    honest, sure = (calibrated("binary", *_binary(rng, 5_000, warp=warp)).calibration for warp in (1.0, 3.0))
    assert honest.after <= honest.before and sure.method != "none" and sure.after < sure.before - 0.005
    assert sure.method in sure.described


def test_a_smaller_reference_says_less() -> None:
    rng = np.random.default_rng(6)
    window, _ = _binary(rng, 20_000)
    widths = []
    for rows in (200, 20_000):
        found = calibrated("binary", *_binary(rng, rows)).estimate(window)["accuracy"]
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] > 4 * widths[1]


def test_what_is_stored_estimates_the_same() -> None:
    rng = np.random.default_rng(7)
    estimator = calibrated("multiclass", *_three(rng, 2_000, warp=2.0))
    data = estimator.to_bytes()
    window, _ = _three(rng, 300)
    assert CBPE.from_bytes(data).estimate(window) == estimator.estimate(window)
    assert len(data) < 20_000
    with pytest.raises(ArtifactRefused, match="CBPE"):
        CBPE.from_bytes(data[:-5])


def test_windows_of_time_are_estimated_one_by_one() -> None:
    rng = np.random.default_rng(8)
    estimator = calibrated("binary", *_binary(rng, 1_000))
    scores, _ = _binary(rng, 300)
    at = rng.permutation(300).astype(np.int64)
    chunks = estimator.series(at, scores, [0, 100, 300, 400], ["auc"])
    assert [chunk.estimates["auc"].rows for chunk in chunks] == [100, 200, 0]
    assert chunks[0].estimates == estimator.estimate(scores[np.argsort(at)][:100], ["auc"])
    assert chunks[2].estimates["auc"].value is None
    with pytest.raises(InvalidInput, match="edges"):
        estimator.series(at, scores, [5, 5])
    with pytest.raises(InvalidInput, match="line up"):
        estimator.series(at[:9], scores, [0, 9])


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.zeros(500), "one class only"),
        (np.full(500, np.nan), "0 rows with a label; 100 are needed"),
        (np.array([0.0, 1.0] * 40 + [np.nan] * 420), "80 rows with a label; 100 are needed"),
        (np.array([1.0] * 9 + [0.0] * 491), "all but 9 rows"),
    ],
)
def test_a_reference_that_does_not_suffice_says_why(labels: Floats, why: str) -> None:
    estimator = calibrated("binary", np.linspace(0, 1, 500)[:, None], labels)
    found = estimator.estimate(np.full((10, 1), 0.5))
    assert set(found) == set(METRICS)
    assert all(one.value is None and why in one.note for one in found.values())
    assert CBPE.from_bytes(estimator.to_bytes()) == estimator


def test_labels_for_half_the_rows_are_used_and_told() -> None:
    rng = np.random.default_rng(9)
    scores, labels = _binary(rng, 1_000)
    labels[::2] = np.nan
    found = calibrated("binary", scores, labels).estimate(scores)["accuracy"]
    assert found.value is not None and "500 of the reference's 1000 rows" in found.note


def test_rows_without_a_probability_are_left_out_and_told() -> None:
    rng = np.random.default_rng(10)
    estimator = calibrated("binary", *_binary(rng, 1_000))
    clean, _ = _binary(rng, 100)
    found = estimator.estimate(np.vstack([clean, [[np.nan], [1.5], [np.inf]]]))["accuracy"]
    assert found.rows == 100 and "3 rows" in found.note
    assert found.value == estimator.estimate(clean)["accuracy"].value
    nothing = estimator.estimate(np.full((5, 1), np.nan))["accuracy"]
    assert nothing.value is None and "no row" in nothing.note
    assert "there are no rows" in estimator.estimate(np.empty((0, 1)))["accuracy"].note


def test_scores_that_the_reference_never_had_are_told() -> None:
    rng = np.random.default_rng(11)
    scores = rng.uniform(0.3, 0.7, 1_000)
    labels = (rng.random(1_000) < scores).astype(float)
    found = calibrated("binary", scores[:, None], labels).estimate(np.full((50, 1), 0.99))["accuracy"]
    assert "100% of the rows have scores that the reference never had" in found.note


def test_a_metric_that_the_window_does_not_define_is_none() -> None:
    rng = np.random.default_rng(12)
    found = calibrated("binary", *_binary(rng, 1_000)).estimate(np.full((3, 1), 0.01))
    assert found["precision"].value is None and "predicted to be positive" in found["precision"].note
    assert found["recall"].value is None and found["auc"].value is None and found["accuracy"].value is not None


def test_what_cannot_be_meant_is_refused() -> None:
    scores, labels = _binary(np.random.default_rng(13), 200)
    with pytest.raises(InvalidInput, match="classifiers"):
        calibrated("regression", scores, labels)
    with pytest.raises(InvalidInput, match="multiclass"):
        calibrated("multiclass", scores, labels)
    with pytest.raises(InvalidInput, match="no class"):
        calibrated("binary", scores, labels + 1)
    estimator = calibrated("binary", scores, labels)
    with pytest.raises(InvalidInput, match="r2"):
        estimator.estimate(scores, ["r2"])
    with pytest.raises(InvalidInput, match="this model"):
        estimator.estimate(np.zeros((3, 2)))
