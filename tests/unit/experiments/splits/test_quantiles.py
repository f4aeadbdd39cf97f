from __future__ import annotations

import numpy as np
import pytest

from tropism.experiments.splits.quantiles import Ordered, day_weights, lower_bound, upper_bound


def _ordered(values: np.ndarray) -> Ordered:
    return Ordered.of(values, np.ones(len(values)))


@pytest.mark.parametrize(("level", "n", "share"), [(0.5, 1_000, 0.5), (0.9, 4_000, 0.1)])
def test_bounds_hold_at_all_looks_together(level: float, n: int, share: float) -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        old, new = rng.exponential(size=int(n * (1 - share))), rng.exponential(size=int(n * share))
        for part in np.linspace(0.15, 1.0, 6):
            arms = _ordered(old[: int(part * len(old))]), _ordered(new[: int(part * len(new))])
            bounds = lower_bound(*arms, level, 0.05, n), upper_bound(*arms, level, 0.05, n)
            if not bounds[0] <= 0 <= bounds[1]:
                missed += 1
                break
    assert missed / 60 <= 0.1


def test_a_slower_tail_is_found() -> None:
    rng = np.random.default_rng(1)
    old, new = rng.normal(100, 10, 8_000), rng.normal(100, 10, 8_000)
    new[:1_200] += 40
    arms = _ordered(old), _ordered(new)
    assert lower_bound(*arms, 0.95, 0.05, 16_000) > 5
    assert lower_bound(*arms, 0.95, 0.05, 16_000, relative=True) > 1.05


def test_few_units_bound_nothing_above_the_largest() -> None:
    arms = _ordered(np.arange(1.0, 21.0)), _ordered(np.arange(101.0, 121.0))
    assert lower_bound(*arms, 0.95, 0.05, 1_000) == -np.inf
    assert upper_bound(*arms, 0.95, 0.05, 1_000) == np.inf
    assert upper_bound(*arms, 0.95, 0.05, 1_000, relative=True) == np.inf


@pytest.mark.parametrize("n", [1, 5, 30, 100])
def test_any_number_of_units_has_bounds_or_none(n: int) -> None:
    rng = np.random.default_rng(n)
    for level, seen in ((0.1, 500), (0.5, n), (0.9, 40), (0.99, 500)):
        arms = _ordered(rng.exponential(size=n)), _ordered(rng.exponential(size=seen))
        assert lower_bound(*arms, level, 0.2, 1_000) < upper_bound(*arms, level, 0.2, 1_000)
        assert lower_bound(*arms, level, 0.2, 1_000, relative=True) < 1


def test_two_variants_bounded_together_are_tighter_than_apart() -> None:
    rng = np.random.default_rng(2)
    old, new = _ordered(rng.normal(size=5_000)), _ordered(rng.normal(size=5_000))
    width = upper_bound(old, new, 0.5, 0.05, 10_000) - lower_bound(old, new, 0.5, 0.05, 10_000)
    # A median of 5,000 normal values has a standard error of 0.0177; the two sides together take less than nine
    # standard errors of the difference.
    assert width < 9 * 0.0177 * np.sqrt(2)


def test_ties_and_a_change_of_mix_do_not_make_a_difference() -> None:
    rng = np.random.default_rng(3)
    days = np.repeat([0, 1], [3_000, 1_000]), np.repeat([0, 1], [500, 3_500])
    values = [np.round(rng.exponential(1.0 + 3 * day), 1) for day in days]
    weights = day_weights(days[0], days[1]), day_weights(days[1], days[0])
    arms = [Ordered.of(one, weight) for one, weight in zip(values, weights, strict=True)]
    assert np.median(values[1]) > 2 * np.median(values[0])
    assert arms[0].quantile(0.5) == pytest.approx(arms[1].quantile(0.5), rel=0.2)
    assert lower_bound(arms[0], arms[1], 0.5, 0.05, 8_000) < 0 < upper_bound(arms[0], arms[1], 0.5, 0.05, 8_000)
    assert arms[1].size < 4_000


def test_a_quantile_is_the_first_value_that_reaches_it() -> None:
    four = _ordered(np.array([4.0, 1.0, 3.0, 2.0]))
    assert [four.quantile(level) for level in (0.25, 0.5, 0.51, 0.99)] == [1.0, 2.0, 3.0, 4.0]
