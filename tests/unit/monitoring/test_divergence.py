from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp

from tropism.monitoring import divergence


def test_measures_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=400), rng.normal(0.2, 1, 300)
    expected = ks_2samp(old, new, method="asymp")
    distance = divergence.kolmogorov_smirnov(old, new)
    assert distance == pytest.approx(expected.statistic)
    assert divergence.kolmogorov_smirnov_chance(distance, 400, 300) == pytest.approx(expected.pvalue, rel=0.25)
    counts = np.array([40.0, 30.0, 30.0]), np.array([60.0, 80.0, 60.0])
    assert divergence.jensen_shannon(*counts) == pytest.approx(jensenshannon(*counts, base=2))
    assert divergence.homogeneity_chance(*counts) == pytest.approx(chi2_contingency(counts).pvalue)


def test_each_measure_keeps_to_its_scale() -> None:
    apart = np.array([100.0, 0.0]), np.array([0.0, 100.0])
    assert divergence.jensen_shannon(*apart) == 1.0
    assert divergence.kolmogorov_smirnov(np.zeros(5), np.ones(5)) == 1.0
    assert 5 < divergence.population_stability(*apart) < 15
    same = np.array([10.0, 20.0]), np.array([100.0, 200.0])
    assert divergence.population_stability(*same) < 0.01
    assert divergence.jensen_shannon(*same) == 0.0


def test_samples_of_one_source_are_no_distance_apart_beyond_chance() -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    found = []
    for _ in range(200):
        old, new = rng.multinomial(200, shares).astype(float), rng.multinomial(100, shares).astype(float)
        assert divergence.jensen_shannon(old, new) > divergence.distance_beyond_chance(old, new, 200, 100)
        found.append(divergence.distance_beyond_chance(old, new, 200, 100))
    assert float(np.median(found)) < 0.06


def test_dependence_makes_a_difference_less_surprising() -> None:
    counts = np.array([40.0, 60.0]), np.array([60.0, 40.0])
    assert divergence.homogeneity_chance(*counts, (3.0, 3.0)) > divergence.homogeneity_chance(*counts)


def test_empty_samples_say_nothing() -> None:
    some, none = np.array([5.0, 5.0]), np.zeros(2)
    assert divergence.population_stability(some, none) == 0.0
    assert divergence.jensen_shannon(some, none) == 0.0
    assert divergence.homogeneity_chance(some, none) == 1.0
    assert divergence.distance_beyond_chance(some, none, 10, 0) == 0.0
    assert divergence.kolmogorov_smirnov(np.ones(3), np.zeros(0)) == 0.0
    assert divergence.kolmogorov_smirnov_chance(1.0, 3, 0) == 1.0
    assert divergence.homogeneity_chance(np.array([2.0, 0.0]), np.array([0.0, 2.0])) == 1.0
