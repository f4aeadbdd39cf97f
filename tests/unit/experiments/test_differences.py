from __future__ import annotations

import numpy as np
import pytest

from tropism.experiments.confidence import radius, tuning
from tropism.experiments.differences import Differences


def test_events_are_the_disagreements_where_losses_are_zero_and_one() -> None:
    difference = np.zeros(1_000)
    difference[:6], difference[6:10] = 1.0, -1.0
    assert int(Differences.of(difference).events) == 10


def test_a_few_large_differences_are_few_events_however_many_rows() -> None:
    difference = np.full(200, 0.01)
    difference[:3] = -5.0
    assert int(Differences.of(difference).events) == 3


def test_equal_differences_count_each() -> None:
    sample = Differences.of(np.full(50, 0.25))
    assert int(sample.events) == 50
    assert sample.bounds(0.05, 300) == pytest.approx((0.25, 0.25))


def test_bounds_of_a_symmetric_sample_are_the_asymptotic_ones() -> None:
    difference = np.array([1.0, -1.0, -1.0, 1.0] * 50)
    sample = Differences.of(difference)
    reach = float(radius(200, 0.05, tuning(300, 0.05, one_sided=True), one_sided=True)) * np.sqrt(sample.inflation)
    assert sample.bounds(0.05, 300) == pytest.approx((-reach * sample.deviation, reach * sample.deviation))


def test_skewness_moves_only_the_bound_on_the_side_it_endangers() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    right, left = Differences.of(values), Differences.of(-values)
    assert right.skewness > 1 > -1 > left.skewness
    assert right.bounds(0.05, 300) == pytest.approx(tuple(-bound for bound in reversed(left.bounds(0.05, 300))))
    plain = right._replace(skewness=0.0).bounds(0.05, 300)
    assert right.bounds(0.05, 300)[0] == plain[0]
    assert right.bounds(0.05, 300)[1] > plain[1]


@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
def test_the_scale_of_the_losses_does_not_matter(scale: float) -> None:
    difference = np.random.default_rng(1).normal(0.2, 1.0, 100)
    sample, base = Differences.of(difference * scale), Differences.of(difference)
    assert sample.events == pytest.approx(base.events)
    assert sample.bounds(0.05, 300)[0] / scale == pytest.approx(base.bounds(0.05, 300)[0])


def test_nothing_and_no_difference() -> None:
    assert Differences.of(np.zeros(0)) == (0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert Differences.of(np.zeros(40)).events == 0
