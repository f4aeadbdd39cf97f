from __future__ import annotations

import numpy as np
import pytest

from tropism.experiments.dependence import inflation


def _autoregression(rho: float, n: int, rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(size=n + 50)
    for step in range(1, len(values)):
        values[step] += rho * values[step - 1]
    return values[50:]


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5, 0.7])
def test_finds_the_inflation_of_an_autoregression(rho: float) -> None:
    rng = np.random.default_rng(0)
    found = [inflation(_autoregression(rho, 2_000, rng)) for _ in range(40)]
    assert float(np.median(found)) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


def test_short_series_are_not_taken_for_independent() -> None:
    rng = np.random.default_rng(0)
    assert float(np.mean([inflation(_autoregression(0.5, 40, rng)) for _ in range(200)])) > 2.0


def test_never_below_one() -> None:
    assert inflation([1.0, -1.0] * 50) == 1.0
    assert inflation([]) == inflation([2.0]) == inflation([3.0] * 40) == 1.0


def test_days_that_differ_widen_the_bound_and_days_that_do_not_leave_it() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(60), 20)
    shuffled = rng.permutation(len(day))
    noise = rng.normal(size=len(day))
    shocks = rng.normal(size=60)[day]
    # Rows of a day stand apart from one another here, so only the days can tell.
    values, days = (noise + shocks)[shuffled], day[shuffled]
    assert inflation(values) < 2.0
    assert inflation(values, days) == pytest.approx(1 + 19 / 2, rel=0.5)
    assert inflation(noise, day) < 1.8


def test_few_days_are_given_little_credit_and_one_day_none() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=100)
    assert inflation(values, np.zeros(100)) == inflation(values)
    two = [inflation(rng.normal(size=100), np.repeat([0, 1], 50)) for _ in range(50)]
    many = [inflation(rng.normal(size=100), np.repeat(np.arange(20), 5)) for _ in range(50)]
    assert float(np.mean(two)) > 5 * float(np.mean(many))


def test_scale_and_offset_do_not_matter() -> None:
    values = _autoregression(0.5, 300, np.random.default_rng(3))
    assert inflation(values * 1e-200 + 1e-200) == pytest.approx(inflation(values))
    assert inflation(values * 1e100) == pytest.approx(inflation(values))
