from __future__ import annotations

import numpy as np

from tropism.monitoring.columns import Codes
from tropism.monitoring.histograms import of_categories, of_numbers


def test_bins_hold_equal_counts_of_the_reference_and_missing_ones_apart() -> None:
    reference = np.append(np.random.default_rng(0).permutation(1_000).astype(float), [np.nan] * 7)
    bins = of_numbers(reference, np.array([-5.0, 5_000.0, np.nan, np.nan]))
    assert bins.reference_counts[:-1].max() - bins.reference_counts[:-1].min() <= 2
    assert bins.reference_counts[bins.missing] == 7
    assert bins.current_counts.tolist() == [1, *([0] * 8), 1, 2]


def test_few_values_have_bins_of_their_own_and_others_fall_between() -> None:
    bins = of_numbers(np.array([0.0] * 50 + [1.0] * 50), np.array([0.0, 0.5, 1.0, 2.0, -1.0]))
    assert bins.current_counts.tolist() == [1, 1, 1, 1, 1, 0]
    assert bins.reference_counts.tolist() == [0, 50, 0, 50, 0, 0]


def test_a_column_that_is_mostly_one_value_or_empty_or_infinite() -> None:
    mostly = of_numbers(np.append(np.zeros(900), np.arange(1, 101)), np.zeros(10))
    assert mostly.current_counts.max() == 10
    empty = of_numbers(np.full(5, np.nan), np.array([1.0]))
    assert empty.reference_counts.tolist() == [0, 5]
    endless = of_numbers(np.append(np.arange(100.0), [np.inf, -np.inf]), np.array([np.inf]))
    assert endless.current_counts[-2] == 1


def test_common_rare_unseen_and_missing_categories() -> None:
    codes = Codes(np.array([0] * 60 + [1] * 30 + [2] * 5 + [3, -1, -1]), np.array([0, 1, 2, 3, 4, -1]), tuple("abcde"))
    bins = of_categories(codes)
    assert bins.reference_counts.tolist() == [60, 30, 5, 1, 2]
    # The category that the reference has once is a known one when it comes again.
    assert bins.current_counts.tolist() == [1, 1, 2, 1, 1]
    assert bins.unseen == 3
    assert bins.missing == 4


def test_no_categories_at_all() -> None:
    nothing = Codes(np.full(3, -1), np.full(2, -1), ())
    assert of_categories(nothing).current_counts.tolist() == [0, 0, 2]
