from __future__ import annotations

import numpy as np
import pytest

from tropism.monitoring.figures import Figure
from tropism.monitoring.health.comparison import worsening


def test_a_lower_accuracy_is_a_worsening() -> None:
    found = worsening("accuracy", Figure(9, 0.7, 0.65, 0.75), Figure(9, 0.9, 0.85, 0.95))

    assert found.value == pytest.approx(0.2)
    assert found.sure


def test_without_an_interval_nothing_is_sure() -> None:
    assert not worsening("mae", Figure(1, 9.0), Figure(9, 1.0, 0.9, 1.1)).sure


def test_the_interval_holds_the_true_difference_95_times_in_100() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(2_000):
        a, b = random.exponential(1.3, 200), random.exponential(1.0, 400)
        one, two = (
            Figure(len(x), m := x.mean(), m - 1.96 * (e := x.std(ddof=1) / len(x) ** 0.5), m + 1.96 * e) for x in (a, b)
        )
        found = worsening("mae", one, two)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.3 <= found.high

    assert held / 2_000 == pytest.approx(0.95, abs=0.015)
