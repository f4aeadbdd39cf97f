from __future__ import annotations

import numpy as np
from scipy.special import expit
from scipy.special import logit as scipy_logit
from scipy.special import softmax as scipy_softmax

from tropism.learners.links import logit, ordered_sum, sigmoid, softmax, unlinked


def test_they_agree_with_scipy() -> None:
    z = np.random.default_rng(0).normal(scale=20, size=(500, 7))
    np.testing.assert_allclose(sigmoid(z), expit(z), rtol=1e-14)
    np.testing.assert_allclose(softmax(z), scipy_softmax(z, axis=1), rtol=1e-13)
    p = expit(z / 10)
    np.testing.assert_allclose(logit(p), scipy_logit(p), rtol=1e-10, atol=1e-12)


def test_extremes_stay_finite() -> None:
    assert np.all(np.isfinite(logit(np.array([0.0, 1.0]))))
    np.testing.assert_array_equal(softmax(np.array([[1e4, -1e4, 0.0]])), [[1.0, 0.0, 0.0]])


def test_every_row_has_equal_bits_in_a_batch_of_any_size() -> None:
    z = np.random.default_rng(1).normal(scale=5, size=(257, 9))
    for function in (sigmoid, softmax, ordered_sum, lambda values: logit(sigmoid(values))):
        together = function(z)
        for size in (1, 2, 3, 5, 8, 13, 64, 100):
            parts = [function(z[start : start + size].copy()) for start in range(0, len(z), size)]
            assert np.concatenate(parts).tobytes() == together.tobytes()


def test_unlinked_scores_link_to_the_scores_again() -> None:
    scores = np.random.default_rng(2).dirichlet([1.0] * 3, 50)
    np.testing.assert_allclose(softmax(unlinked("multiclass", scores)), scores)
    np.testing.assert_allclose(sigmoid(unlinked("binary", scores[:, :1])), scores[:, :1])
    assert unlinked("regression", scores) is scores
    assert np.all(np.isfinite(unlinked("multiclass", np.eye(3))))
