from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tropism.core.errors import InvalidInput
from tropism.core.task import Kind
from tropism.learners.base import Floats
from tropism.learners.calibration import (
    Calibration,
    Identity,
    Isotonic,
    Method,
    Platt,
    Temperature,
    fit_calibration,
)
from tropism.learners.links import logit


def overconfident(rows: int = 4_000, seed: int = 0) -> tuple[Floats, Floats]:
    """Scores whose log odds are twice what they should be."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=rows)
    return (rng.random(rows) < expit(z)).astype(np.float64), expit(2 * z)[:, None]


def three_classes(factor: float, rows: int = 4_000) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(rows, 3))
    told = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = (rng.random(rows)[:, None] > np.cumsum(told, axis=1)).sum(axis=1).astype(np.float64)
    raised = np.exp(factor * z)
    return labels, raised / raised.sum(axis=1, keepdims=True)


def test_platt_undoes_overconfidence_and_agrees_with_logistic_regression() -> None:
    labels, scores = overconfident()
    found = fit_calibration("binary", labels, scores)
    assert isinstance(found, Platt)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(scores), labels)
    np.testing.assert_allclose([found.slope, found.intercept], [theirs.coef_[0, 0], theirs.intercept_[0]], atol=2e-3)


def test_temperature_undoes_overconfidence() -> None:
    found = fit_calibration("multiclass", *three_classes(3.0))
    assert isinstance(found, Temperature)
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    np.testing.assert_allclose(found.apply(three_classes(3.0)[1]).sum(axis=1), 1.0, atol=1e-12)


def test_isotonic_agrees_with_scikit_learn() -> None:
    labels, scores = overconfident(800)
    scores = np.round(scores, 2)  # with ties
    found = fit_calibration("binary", labels, scores, method="isotonic")
    expected = IsotonicRegression(out_of_bounds="clip").fit(scores[:, 0], labels)
    probe = np.linspace(0, 1, 501)
    np.testing.assert_allclose(found.apply(probe[:, None])[:, 0], expected.predict(probe), atol=1e-12)


METHODS: list[tuple[Kind, Method]] = [("binary", "platt"), ("binary", "isotonic"), ("multiclass", "temperature")]


@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_calibrated_scores_lose_less_on_fresh_rows(kind: Kind, method: Method) -> None:
    if kind == "binary":
        (labels, scores), (fresh, told) = overconfident(), overconfident(seed=1)
        found = fit_calibration(kind, labels, scores, method=method)
        after = np.mean((found.apply(told)[:, 0] - fresh) ** 2)
        assert after < np.mean((told[:, 0] - fresh) ** 2) - 0.005
    else:
        labels, scores = three_classes(3.0)
        found = fit_calibration(kind, labels[:2_000], scores[:2_000], method=method)
        row, fresh = np.arange(2_000), labels[2_000:].astype(np.int64)
        after = -np.mean(np.log(found.apply(scores[2_000:])[row, fresh]))
        assert after < -np.mean(np.log(scores[2_000:][row, fresh])) - 0.05


MAPS: list[tuple[Calibration, int]] = [
    (Identity(), 1),
    (Platt(0.7, -0.2), 1),
    (Isotonic((0.1, 0.5, 0.9), (0.0, 0.4, 1.0)), 1),
    (Temperature(1.7), 3),
]


@pytest.mark.parametrize(("found", "outputs"), MAPS)
def test_maps_are_finite_rising_and_alike_for_a_row_alone(found: Calibration, outputs: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((301, outputs))
    scores[:2] = [[0.0] * outputs, [1.0] * outputs]
    if outputs > 1:
        scores /= np.maximum(scores.sum(axis=1, keepdims=True), 1e-9)
        scores[2] = [1.0, 0.0, 0.0]
    before = scores.copy()
    together = found.apply(scores)
    assert np.all(np.isfinite(together))
    assert np.all((together >= 0) & (together <= 1))
    alone = [found.apply(scores[index : index + 1].copy()) for index in range(len(scores))]
    assert np.vstack(alone).tobytes() == together.tobytes()
    np.testing.assert_array_equal(scores, before)
    if outputs == 1:
        assert np.all(np.diff(together[np.argsort(scores[:, 0]), 0]) >= 0)


def test_scores_that_mislead_are_flattened_not_reversed() -> None:
    labels, scores = overconfident()
    found = fit_calibration("binary", 1 - labels, scores)
    np.testing.assert_allclose(found.apply(scores), 1 - labels.mean(), atol=0.01)


def test_separable_scores_give_a_finite_map() -> None:
    labels = np.repeat([0.0, 1.0], 50)
    found = fit_calibration("binary", labels, labels[:, None])
    assert found.sound("binary")
    assert np.all(np.isfinite(found.apply(labels[:, None])))


@pytest.mark.parametrize("labels", [np.zeros(100), np.array([1.0] * 9 + [0.0] * 91), np.array([])])
def test_too_little_to_fit_leaves_scores_alone(labels: Floats) -> None:
    assert fit_calibration("binary", labels, np.full((len(labels), 1), 0.5)) == Identity()
    assert fit_calibration("multiclass", labels, np.full((len(labels), 3), 1 / 3)) == Identity()


def test_a_method_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="isotonic"):
        fit_calibration("multiclass", np.zeros(3), np.zeros((3, 3)), method="isotonic")
    assert fit_calibration("binary", *overconfident(), method="none") == Identity()


@pytest.mark.parametrize(
    "found",
    [
        Platt(-1.0, 0.0),
        Platt(1e9, 0.0),
        Isotonic((), ()),
        Isotonic((0.5, 0.2), (0.1, 0.2)),
        Isotonic((0.2, 0.5), (0.3, 0.2)),
        Isotonic((0.2, 0.5), (0.3, 1.2)),
        Isotonic((0.2,), (0.3, 0.4)),
        Temperature(2.0),
    ],
)
def test_a_stored_map_that_is_not_one_for_binary_tasks_is_known(found: Calibration) -> None:
    assert not found.sound("binary")
