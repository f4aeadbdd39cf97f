from __future__ import annotations

import numpy as np

from tropism.monitoring.alarm.tilting import tilt


def test_tilted_distributions_have_the_means_that_were_asked_for() -> None:
    rng = np.random.default_rng(0)
    base = rng.dirichlet(np.ones(20), size=3)
    scores = rng.normal(size=(3, 20))
    scores -= (scores * base).sum(axis=1, keepdims=True)
    wanted = np.array([[0.0, 0.05, 0.4]] * 3)
    found = tilt(scores, base, wanted)
    for n in range(3):
        for m in range(3):
            tilted = base[n] * np.exp(found.slope[n, m] * scores[n] - found.norm[n, m])
            assert abs(tilted.sum() - 1) < 1e-9
            assert abs(tilted @ scores[n] - wanted[n, m]) < 1e-6


def test_a_mean_that_no_distribution_has_becomes_the_nearest() -> None:
    scores, base = np.array([[-1.0, 1.0]]), np.array([[0.5, 0.5]])
    found = tilt(scores, base, np.array([[50.0]]))
    tilted = base[0] * np.exp(found.slope[0, 0] * scores[0] - found.norm[0, 0])
    assert 0.97 < tilted @ scores[0] < 1.0
