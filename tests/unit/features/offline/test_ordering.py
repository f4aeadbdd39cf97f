from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.features.offline.ordering import ascending, in_threads, rough_order, stable_order

KEYS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 2**40, 2**40 + 1, 2**63 - 2, 2**63 - 1]), st.integers(-2, 2)))


@given(KEYS, st.booleans())
def test_it_is_a_stable_sort(pairs: list[tuple[int, int]], tied: bool) -> None:
    keys = np.array([key for key, _ in pairs], np.int64)
    then = np.array([then for _, then in pairs], np.int64)
    order, ordered = stable_order(keys, then if tied else None)
    wanted = sorted(range(len(pairs)), key=lambda place: (pairs[place][0], pairs[place][1] if tied else 0))
    assert order.tolist() == wanted
    assert ordered.tolist() == [pairs[place][0] for place in wanted]
    assert sorted(rough_order(keys).tolist()) == list(range(len(pairs)))


@pytest.mark.parametrize("spread", [1, 2**20, 2**45, 2**62])
@pytest.mark.parametrize("distinct", [3, 1_000, 50_000])
def test_many_keys_are_sorted_whatever_their_bits(spread: int, distinct: int) -> None:
    """Some of them differ only in bits that are left out at first."""
    random = np.random.default_rng(6)
    near = random.integers(0, distinct, 30_000)
    keys = near // 2 * (spread // distinct) + near % 2
    then = random.integers(0, 3, 30_000)
    order, ordered = stable_order(keys, then)
    assert np.array_equal(order, np.lexsort((then, keys)))
    assert np.array_equal(ordered, np.sort(keys))
    assert np.array_equal(stable_order(keys)[0], np.argsort(keys, kind="stable"))


def test_threads_give_the_numbers_in_their_order() -> None:
    numbers = np.arange(300_001)
    assert np.array_equal(in_threads(lambda part: part * 2, numbers), numbers * 2)
    assert len(in_threads(lambda part: part * 2, numbers[:0])) == 0
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda part: part * (1 // (len(part) - len(part))), numbers)


def test_ascending_allows_equal_ones() -> None:
    assert [ascending(np.array(values)) for values in ([], [3], [1, 1, 2], [2, 1])] == [True, True, True, False]
