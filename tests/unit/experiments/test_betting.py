from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.betting import betting_bounds, log_wealth


def test_wealth_passes_one_over_alpha_in_few_runs_without_an_advantage() -> None:
    """Exact: the hardest case for the central limit theorem, a rare large loss, within the stated error."""
    rng = np.random.default_rng(2)
    runs, alpha = 800, 0.1
    passed = 0
    for _ in range(runs):
        rare = rng.random(400) < 0.02
        difference = np.where(rare, -0.98, 0.02)
        passed += bool((log_wealth(difference, 1.0, alpha=alpha) >= np.log(1 / alpha)).any())
    assert passed / runs <= alpha


def test_bounds_hold_the_mean_and_close_in() -> None:
    rng = np.random.default_rng(3)
    values = (rng.random(2_000) < 0.3).astype(float)
    early, late = betting_bounds(values[:100], 1.0), betting_bounds(values, 1.0)
    assert early[0] < 0.3 < early[1]
    assert late[0] < 0.3 < late[1]
    assert late[1] - late[0] < 0.12 < early[1] - early[0]


def test_lower_bound_is_where_the_wealth_falls_to_one_over_alpha() -> None:
    values = np.random.default_rng(4).uniform(-0.2, 0.6, 300)
    lower, _ = betting_bounds(values, 1.0, alpha=0.05)
    assert float(log_wealth(values, 1.0, lower)[-1]) == pytest.approx(np.log(20), abs=1e-6)


def test_a_bound_of_its_own_for_each_difference_is_tighter_than_the_largest() -> None:
    rng = np.random.default_rng(5)
    limits = np.where(np.arange(400) % 20 == 0, 10.0, 0.5)
    values = rng.uniform(0.0, 0.4, 400)
    assert betting_bounds(values, limits)[0] > betting_bounds(values, 10.0)[0]


def test_mirrored_differences_have_mirrored_bounds() -> None:
    values = np.random.default_rng(6).uniform(-1, 1, 100)
    lower, upper = betting_bounds(values, 1.0)
    assert betting_bounds(-values, 1.0) == pytest.approx((-upper, -lower))


def test_no_differences_no_bounds_and_none_beyond_its_limit() -> None:
    assert betting_bounds([], 1.0) == (-np.inf, np.inf)
    assert betting_bounds([0.0] * 5, 0.0) == (0.0, 0.0)
    with pytest.raises(InvalidInput, match="difference 1"):
        betting_bounds([0.5, -1.5], 1.0)
