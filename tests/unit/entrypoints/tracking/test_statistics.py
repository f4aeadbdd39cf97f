from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tropism.entrypoints.tracking.statistics import correlations, holm, paired


def test_correlations_are_spearmans_with_p_values_close_to_scipys() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=20)
    y = x + rng.normal(size=20)
    (found,) = correlations({"x": x.tolist()}, {"y": y.tolist()})
    known = spearmanr(x, y)
    assert found.value == pytest.approx(known.statistic)
    assert found.p == pytest.approx(known.pvalue, abs=0.003)


def test_with_fewer_than_eight_runs_nothing_is_called_a_correlation() -> None:
    (found,) = correlations({"x": [1.0, 2.0, 3.0]}, {"y": [3.0, 2.0, 1.0]})
    assert found.value == pytest.approx(-1.0)
    assert (found.n, found.p, found.adjusted) == (3, None, None)


def test_what_is_the_same_in_all_runs_is_left_out() -> None:
    assert correlations({"x": [1.0, 1.0]}, {"y": [3.0, 2.0]}) == []


def test_where_nothing_goes_with_anything_holm_says_so_in_at_least_95_of_100() -> None:
    """20 pairs a comparison, 100 comparisons of 12 runs: at most 5 in 100 may find any, here plus three errors."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(100):
        params = {f"p{i}": rng.normal(size=12).tolist() for i in range(5)}
        metrics = {f"m{i}": rng.normal(size=12).tolist() for i in range(4)}
        wrong += any((one.adjusted or 0.0) < 0.05 for one in correlations(params, metrics))
    assert wrong <= 11


def test_holm_never_lowers_a_p_value() -> None:
    p = np.array([0.2, 0.001, 0.04, 0.04])
    assert (holm(p) >= p).all() and holm(p)[1] == pytest.approx(0.004)


def test_intervals_of_paired_differences_hold_for_dependent_rows_too() -> None:
    """300 samples of 400 autocorrelated differences around 0: the 95% interval misses 0 in 5%, here plus 4 points."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(300):
        noise = rng.normal(size=400)
        for place in range(1, 400):
            noise[place] += 0.5 * noise[place - 1]
        found = paired("a", "b", "brier", 1.0 + noise, np.ones(400), pairs=1)
        assert found is not None
        missed += found.decided
    assert missed / 300 <= 0.09


def test_few_rows_give_no_test() -> None:
    assert paired("a", "b", "brier", np.ones(29), np.zeros(29), pairs=1) is None
