from __future__ import annotations

import numpy as np
import pytest

from tropism.experiments.splits.cells import Estimate, Tally, binary_cells, cells

rng = np.random.default_rng(0)


def _estimate(values: tuple[np.ndarray, np.ndarray], days: tuple[np.ndarray, np.ndarray]) -> Estimate:
    return Estimate.of(Tally.of(cells(values, days)).summed())


def test_one_day_is_the_plain_difference_with_welchs_variance() -> None:
    old, new = rng.gamma(2.0, size=300), rng.gamma(3.0, size=100)
    found = _estimate((old, new), (np.zeros(300, int), np.zeros(100, int)))
    assert float(found.difference) == pytest.approx(new.mean() - old.mean())
    assert float(found.variance) == pytest.approx(old.var(ddof=1) / 300 + new.var(ddof=1) / 100)


def test_a_growing_share_on_ever_better_days_is_not_an_effect() -> None:
    """Simpson: the treatment has most of its units on the good day, and is no better on either."""
    days = np.repeat([0, 1], [1_000, 500]), np.repeat([0, 1], [50, 550])
    values = tuple(np.where(day == 1, 5.0, 1.0) + rng.normal(0, 0.1, len(day)) for day in days)
    assert values[1].mean() - values[0].mean() > 1.5
    assert abs(float(_estimate((values[0], values[1]), days).difference)) < 0.05


def test_days_weigh_by_their_units_and_a_day_of_one_variant_not_at_all() -> None:
    days = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 3])
    found = _estimate((np.array([1.0, 3.0, 10.0, 99.0]), np.array([4.0, 10.0, 14.0, -99.0])), days)
    assert found.means.tolist() == [6.0, 8.0]
    assert (float(found.units), found.n.tolist()) == (6.0, [3.0, 3.0])


def test_the_variance_is_right_though_cells_hold_a_unit_or_two() -> None:
    estimates = []
    for _ in range(2_000):
        days = np.repeat(np.arange(10), 20), np.sort(rng.integers(0, 10, 20))
        values = rng.exponential(size=200), rng.exponential(size=20)
        found = _estimate(values, days)
        estimates.append((float(found.difference), float(found.variance)))
    differences, variances = np.array(estimates).T
    assert float(variances.mean()) == pytest.approx(float(differences.var()), rel=0.08)


def test_a_path_over_looks_ends_where_the_whole_does() -> None:
    n = rng.integers(5, 50, (4, 2, 6)).astype(float)
    table = binary_cells(n, np.floor(n / 3))
    running, summed = Estimate.of(Tally.of(table).running()), Estimate.of(Tally.of(table).summed())
    for path, whole in zip(running, summed, strict=True):
        assert path.shape[:2] == (4, 6)
        assert path[:, -1] == pytest.approx(whole)


def test_counts_say_the_same_as_the_units() -> None:
    day, values = np.repeat([0, 1], 6), np.array([0.0, 1, 0, 0, 0, 1] * 2)
    ours = cells((values, values), (day, day))
    counted = binary_cells(np.full((2, 2), 6.0), np.full((2, 2), 2.0))
    for one, other in zip(ours, counted, strict=True):
        assert one == pytest.approx(other)


def test_the_difference_is_as_skewed_as_its_parts() -> None:
    n = 200_000
    values = np.zeros(n) + rng.normal(size=n), rng.exponential(size=n)
    found = _estimate(values, (np.zeros(n, int), np.zeros(n, int)))
    # Of 2 n pseudo-observations: third cumulant 2 over (1 + 1)^1.5, times the root of 2.
    assert float(found.skewness) == pytest.approx(2 / 2**1.5 * np.sqrt(2), rel=0.1)
