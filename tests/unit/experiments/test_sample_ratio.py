from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.sample_ratio import sample_ratio


def test_a_right_split_is_called_wrong_as_rarely_as_stated_over_all_looks() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        looks = np.cumsum(rng.multinomial(50, [0.5, 0.3, 0.2], size=40), axis=0)
        wrong += sample_ratio(looks, [5, 3, 2], alpha=0.05, concentration=100.0).mismatch
    assert wrong / 500 <= 0.05


def test_a_lost_tenth_is_found() -> None:
    rng = np.random.default_rng(1)
    looks = np.cumsum(rng.multinomial(500, [0.526, 0.474], size=30), axis=0)
    found = sample_ratio(looks, [1, 1])
    assert found.mismatch
    assert found.counts == tuple(looks[-1])


def test_a_mismatch_once_found_is_not_forgotten() -> None:
    assert sample_ratio([[900, 1_400], [5_000, 5_000]], [1, 1]).mismatch
    assert not sample_ratio([5_000, 5_000], [1, 1]).mismatch


def test_nothing_counted_yet_is_no_mismatch_and_json_able() -> None:
    empty = sample_ratio(np.zeros((0, 2)), [1, 1])
    assert (empty.p_value, empty.mismatch, empty.counts) == (1.0, False, (0, 0))
    assert msgspec.json.encode(empty)


@pytest.mark.parametrize(("counts", "expected"), [([1, 2], [1, 0]), ([1, 2], [1, 1, 1]), ([-1, 2], [1, 1])])
def test_what_does_not_fit_is_refused(counts: list[int], expected: list[int]) -> None:
    with pytest.raises(InvalidInput):
        sample_ratio(counts, expected)
