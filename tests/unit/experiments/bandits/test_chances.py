from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, norm

from tropism.experiments.bandits.chances import largest_beta, largest_normal


def test_of_two_normal_arms_it_is_the_closed_form() -> None:
    chances = largest_normal(np.array([0.2, 0.5]), np.array([0.3, 0.4]))
    assert chances[0] == pytest.approx(norm.cdf(-0.3 / 0.5), abs=1e-12)
    assert chances.sum() == 1


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.0])
@pytest.mark.parametrize("arms", [3, 8, 30])
def test_of_many_normal_arms_it_is_within_a_thousandth_of_the_integral(arms: int, spread: float) -> None:
    rng = np.random.default_rng(arms)
    for _ in range(2):
        means, deviations = rng.normal(size=arms), np.exp(rng.normal(size=arms) * spread)
        exact = _exact(norm, means, deviations)
        assert np.abs(largest_normal(means, deviations) - exact).max() < 1e-3


def test_of_beta_arms_it_is_within_a_thousandth_of_the_integral() -> None:
    rng = np.random.default_rng(0)
    for arms in (2, 3, 6):
        successes, failures = np.exp(rng.uniform(0, 5, size=(2, arms)))
        exact = _exact(beta, successes, failures)
        assert np.abs(largest_beta(successes, failures) - exact).max() < 1e-3


def test_arms_alike_share_evenly_even_where_nothing_is_uncertain() -> None:
    assert largest_normal(np.ones(5), np.zeros(5)) == pytest.approx(np.full(5, 0.2), abs=1e-3)
    assert largest_beta(np.ones(4), np.ones(4)) == pytest.approx(np.full(4, 0.25), abs=1e-3)
    assert largest_normal(np.ones(1), np.ones(1)).tolist() == [1.0]


def test_a_certain_winner_gets_nearly_everything() -> None:
    chances = largest_normal(np.array([0.0, 9.0, 0.0]), np.array([1.0, 1e-6, 1.0]))
    assert chances[1] > 0.999
    assert (chances >= 0).all()


def _exact(of: Any, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrals of prod F_b over dF_a by the midpoint rule: within 1/10,000, as the integrands rise from 0 to 1."""
    marks = (np.arange(5_000) + 0.5) / 5_000
    found = np.empty(len(first))
    for arm in range(len(first)):
        below = of.cdf(of.ppf(marks, first[arm], second[arm])[:, None], first, second)
        below[:, arm] = 1.0
        found[arm] = below.prod(axis=1).mean()
    return found
