from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.features.statistics import frequent
from tropism.features.statistics.frequent import Frequent


def holds(found: Frequent, exact: Counter[str]) -> None:
    assert len(found.counts) <= frequent.SIZE
    assert found.error <= exact.total() / (frequent.SIZE + 1)
    for value, count in exact.items():
        counter = found.counts.get(value, found.error)
        assert counter - found.error <= count <= counter


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=6))
def test_counters_are_as_close_as_stated(seeds: list[int]) -> None:
    import numpy as np

    found, exact = Frequent(), Counter[str]()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        values = rng.zipf(1.1 + rng.random(), rng.integers(0, 3_000)) % 2_000
        part = Counter(str(value) for value in values.tolist())
        found, exact = found.merge(Frequent.of(dict(part))), exact + part
    holds(found, exact)


def test_few_values_are_exact() -> None:
    parts = [{"a": 5, "b": 1}, {"b": 9}, {}]
    found = Frequent()
    for part in parts:
        found = found.merge(Frequent.of(part))
    assert (found.top(20), found.error) == ({"b": 10, "a": 5}, 0)
    assert list(found.top(1)) == ["b"]


def test_values_that_are_all_different_have_no_counters() -> None:
    found = Frequent.of({str(place): 1 for place in range(1_000)})
    assert (found.counts, found.error) == ({}, 1)
