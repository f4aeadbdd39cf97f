from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from tests.unit.monitoring.multivariate.streams import Floats, autoregressive

from tropism.monitoring.multivariate import blocks


def _length(values: Floats) -> int:
    return blocks.block_length((values, values), (values[:, None], values[:, None]))


def test_rows_that_remember_longer_are_permuted_in_longer_blocks() -> None:
    lengths = [
        float(np.median([_length(autoregressive(seed, 5_000, 1, correlation)[:, 0]) for seed in range(9)]))
        for correlation in (0.0, 0.5, 0.9)
    ]
    assert 4 <= lengths[0] <= 8
    assert 9 <= lengths[1] <= 18  # four times 3
    assert 50 <= lengths[2] <= 110  # four times 19


def test_memory_hidden_behind_noise_is_seen() -> None:
    slow, noise = autoregressive(0, 5_000, 1, 0.97)[:, 0], np.random.default_rng(1).normal(size=5_000)
    assert _length(0.5 * slow + noise) > 30


def test_the_difference_of_ranks_is_the_auc() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.integers(0, 9, 83).astype(float), rng.integers(2, 11, 47).astype(float)
    found = blocks.difference([blocks.cut_ranks(old, new, 1)], 9, 0)
    assert found.observed + 0.5 == pytest.approx(mannwhitneyu(new, old).statistic / (83 * 47))


def test_permutations_match_those_by_hand() -> None:
    """Of five blocks two are current: the mean and the largest over all ten ways to deal them."""
    sums = np.array([[1.0], [2.0], [4.0], [8.0], [16.0]])
    made = blocks.Blocks(sums, np.ones(5), np.arange(5) >= 3)
    ways = [
        np.mean(sums[list(now)]) - np.mean(np.delete(sums, list(now))) for now in itertools.combinations(range(5), 2)
    ]
    found = blocks.difference([made], 20_000, 0)
    assert found.observed == pytest.approx(12 - 7 / 3)
    assert set(np.round(found.chance, 9)) == set(np.round(ways, 9))
    assert blocks.p_value(found) == pytest.approx(1 / 10, abs=0.01)
    assert blocks.smallest_p([made], 20_000) == 1 / 10
    assert blocks.smallest_p([made], 4) == 1 / 5
    assert blocks.squared_distance(made, 9, 0).observed == pytest.approx(found.observed**2)


def test_rows_of_a_side_shorter_than_a_block_are_one_block() -> None:
    made = blocks.cut(np.ones((10, 2)), np.ones((3, 2)), 5)
    assert (made.rows.tolist(), made.current.tolist()) == ([5.0, 5.0, 3.0], [False, False, True])
    assert made.sums.tolist() == [[5.0, 5.0], [5.0, 5.0], [3.0, 3.0]]
