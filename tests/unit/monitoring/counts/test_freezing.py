from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import Binning, count, freeze, pack, pack_binnings, places
from tropism.monitoring.counts.cells import cells
from tropism.monitoring.counts.freezing import BYTES_OF_NAMES

RNG = np.random.default_rng(5)


def column(values: Any, kind: Any = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=200_000),
        RNG.normal(100, 20, 200_000),
        RNG.lognormal(0, 2, 200_000),
        RNG.standard_cauchy(50_000),
        RNG.random(3_000),
        -RNG.exponential(1e-6, 20_000),
        RNG.normal(1.7e9, 1e6, 20_000),
    ],
    ids=["normal", "apart from zero", "skewed", "heavy", "few", "tiny and negative", "seconds"],
)
def test_bins_of_a_continuous_column_hold_about_a_fiftieth_each_and_tails_less(values: Any) -> None:
    binning = freeze(column(values), "number")
    shares = count(binning, column(values))[1:-2] / len(values)
    assert 50 <= len(binning.edges) <= 60
    assert shares.max() < 1.6 / 52
    assert (shares[4:-4] > 0.3 / 52).all()
    assert shares[0] < 0.01
    assert shares[-1] < 0.01


def test_edges_lie_where_cells_begin() -> None:
    for values in (RNG.normal(size=100_000), RNG.normal(40, 20, 100_000), RNG.integers(0, 10**6, 100_000)):
        assert not cells(freeze(column(values), "number").edges).torn


def test_nothing_of_the_reference_is_out_of_its_range_and_the_next_value_is() -> None:
    values = RNG.normal(size=300_000)
    binning = freeze(column(values), "number")
    counts = count(binning, column(values))
    assert counts[0] == counts[-2] == counts[-1] == 0
    low, high = np.float32(values.min()), np.float32(values.max())
    outside = [np.nextafter(low, np.float32(-np.inf)), np.nextafter(high, np.float32(np.inf))]
    assert places(binning, column(outside)).tolist() == [0, binning.size - 2]


def test_few_repeated_values_have_a_bin_each() -> None:
    values = np.array([0.1, 0.2, 0.3, 7.0, -4.0, 1e9])
    binning = freeze(column(np.repeat(values, 10)), "number")
    assert sorted(places(binning, column(values)).tolist()) == [1, 2, 3, 4, 5, 6]


def test_a_value_that_is_common_in_a_continuous_column_keeps_its_bin() -> None:
    values = np.concatenate([RNG.normal(size=50_000), np.full(5_000, 0.30001), np.full(8_000, -1.7)])
    binning = freeze(column(values), "number")
    counts = count(binning, column(values))
    near = (np.abs(values.astype(np.float32) - np.float32(0.30001)) < 1e-9).sum()
    assert counts[int(places(binning, column([0.30001]))[0])] <= near + 20
    assert counts[int(places(binning, column([-1.7]))[0])] <= 8_020


def test_many_common_values_still_fit() -> None:
    values = np.concatenate([np.repeat(np.arange(25.0), 900), RNG.random(10_000) * 25])
    binning = freeze(column(values), "number")
    counts = count(binning, column(values))
    assert len(binning.edges) <= 60
    own = [int(counts[place]) for place in places(binning, column(np.arange(25.0)))]
    assert max(own) < 2_500


def test_a_reference_with_fewer_rows_than_bins_has_few() -> None:
    binning = freeze(column(RNG.normal(size=30)), "number")
    assert 4 <= len(binning.edges) <= 6
    assert freeze(column([3.5]), "number").edges == (3.5, float(np.nextafter(np.float32(3.5), np.float32(9))))


def test_no_numbers_make_no_edges() -> None:
    for values in ([], [None, None], [float("nan")], [float("inf"), float("-inf")]):
        assert freeze(column(values, pa.float64()), "number") == Binning(kind="number")
    assert freeze(pa.chunked_array([], pa.float64()), "number").size == 2


def test_infinities_do_not_move_the_bins() -> None:
    values = RNG.normal(size=1_000)
    with_more = np.concatenate([values, [np.inf, -np.inf, np.nan, 1e300]])
    assert freeze(column(with_more), "number") == freeze(column(values), "number")


def test_the_largest_float32_is_an_edge_itself() -> None:
    largest = float(np.finfo(np.float32).max)
    assert freeze(column([largest] * 9), "number").edges == (largest,)
    assert freeze(column([-largest, largest] * 9), "number").edges == (-largest, 0.0, largest)


def test_it_is_the_same_each_time_and_for_each_type_and_chunking() -> None:
    values = RNG.integers(0, 10_000, 150_000)
    whole = freeze(column(values), "number")
    assert whole == freeze(column(values.astype(np.float64)), "number")
    assert whole == freeze(pa.chunked_array(np.array_split(values, 7)), "number")


def test_the_commonest_categories_have_names_ties_in_order() -> None:
    values = ["b"] * 3 + ["a"] * 3 + ["c"] * 9 + ["d"] + [None] * 20
    assert freeze(column(values), "category").names == ("c", "a", "b", "d")
    assert freeze(column(values).dictionary_encode(), "category").names == ("c", "a", "b", "d")


def test_booleans_have_both_names_even_if_one_was_never_seen() -> None:
    binning = freeze(column([True, True]), "boolean")
    assert binning.names == ("false", "true")
    assert count(binning, column([True, False, None])).tolist() == [1, 1, 0, 1]


def test_among_very_many_categories_only_repeated_ones_have_names() -> None:
    values = pa.chunked_array([np.char.mod("%d", np.arange(1_000_000)), ["7", "7", "11"]])
    binning = freeze(values, "category")
    assert binning.names == ("7", "11")
    assert count(binning, values).tolist() == [3, 2, 999_998, 0]


def test_a_column_of_no_categories_has_no_names() -> None:
    assert freeze(column([None], pa.string()), "category") == Binning(kind="category")


def test_long_names_are_left_to_the_others() -> None:
    values = ["x" * 5_000] * 9 + ["short"] * 3
    assert freeze(column(values), "category").names == ("short",)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_the_state_of_a_feature_takes_under_700_bytes_at_worst(kind: Any) -> None:
    if kind == "number":  # atoms with neighbours so near that no edge is round
        atoms = np.unique(RNG.normal(1_000, 0.1, 59).astype(np.float32))
        wide = np.concatenate([atoms, np.nextafter(atoms, np.float32(np.inf))])[:59]
        values = np.repeat(wide, RNG.integers(15_000, 20_000, len(wide)))
    else:
        values = RNG.choice([RNG.bytes(3).hex() for _ in range(61)], 1_200_000)
    binning = freeze(column(values), kind)
    assert binning.size > 60
    assert sum(len(name) for name in binning.names) <= BYTES_OF_NAMES + 6
    name = "a_feature_of_quite_a_long_name"
    assert len(pack_binnings({name: binning})) + len(pack({name: count(binning, column(values))})) <= 700


def test_a_column_of_neither_kind_is_refused() -> None:
    with pytest.raises(DataInvalid, match="does not hold numbers"):
        freeze(column(["teal"]), "number")
    with pytest.raises(DataInvalid, match="does not hold categories"):
        freeze(column([[1]]), "category")
