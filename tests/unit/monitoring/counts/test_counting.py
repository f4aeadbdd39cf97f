from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import Binning, count, count_columns, freeze, merge, places

RNG = np.random.default_rng(11)
NASTY = [0.0, -0.0, 1e-45, -1e-45, 1e-320, 1e300, -1e300, np.inf, -np.inf, np.nan, 2**24 + 1.0, 3.4028235e38, 0.1]
SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)


def column(values: Any, kind: Any = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def searched(binning: Binning, values: Any) -> list[int]:
    """The bin of each value as it is defined."""
    with np.errstate(over="ignore", invalid="ignore"):
        singles = np.asarray(values, np.float64).astype(np.float32)
    found = np.searchsorted(np.array(binning.edges, np.float32), singles, side="right")
    bins: list[int] = np.where(np.isnan(singles), binning.missing, found).tolist()
    return bins


def counted(binning: Binning, values: Any) -> list[int]:
    counts: list[int] = np.bincount(searched(binning, values), minlength=binning.size).tolist()
    return counts


@settings(deadline=None)
@given(
    st.lists(SINGLES, max_size=60),
    st.lists(st.one_of(st.floats(), st.sampled_from(NASTY), st.integers(-(2**53), 2**53).map(float)), max_size=80),
)
def test_a_value_is_in_the_bin_whose_edges_are_around_it(edges: list[float], values: list[float]) -> None:
    binning = Binning(kind="number", edges=tuple(sorted({edge + 0.0 for edge in edges})))
    sample = [*values, *binning.edges, *NASTY]
    assert places(binning, column(sample, pa.float64())).tolist() == searched(binning, sample)
    assert count(binning, column(sample, pa.float64())).tolist() == counted(binning, sample)


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(), st.sampled_from(NASTY)), max_size=300))
def test_bins_frozen_from_anything_count_anything(values: list[float]) -> None:
    binning = freeze(column(values, pa.float64()), "number")
    sample = [*values, *NASTY]
    assert count(binning, column(sample, pa.float64())).tolist() == counted(binning, sample)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=150_000),
        RNG.normal(40, 20, 150_000),
        RNG.integers(-5, 400, 150_000).astype(float),
        np.where(RNG.random(150_000) < 0.3, RNG.normal(size=150_000), RNG.normal(1_000, 0.5, 150_000)),
        np.where(RNG.random(150_000) < 0.3, np.nan, RNG.standard_cauchy(150_000)),
        RNG.integers(0, 2**32, 150_000, np.uint32).view(np.float32),
    ],
    ids=["normal", "across zero", "whole", "two clusters", "missing", "any bits"],
)
def test_many_rows_are_counted_as_few_are(values: Any) -> None:
    binning = freeze(column(values[:100_000]), "number")
    assert count(binning, column(values)).tolist() == counted(binning, values)


@pytest.mark.parametrize(
    "given",
    [
        pa.array([0, 1, 2**24 + 1, -(2**40), None, 2**62]),
        pa.array([0, 1, 16777217, 3_000_000_000, None], pa.uint64()),
        pa.array([0, 1, -128, 127], pa.int8()),
        pa.array([Decimal("0.10"), Decimal("-3.25"), None, Decimal("99999999.99")]),
        pa.array([0.5, None, 65504.0, float("inf")], pa.float32()),
        pa.array(["0.5", None, "16777217", "-1e30"]),
        pa.array(["1", "2", None, "1"]).dictionary_encode(),
        pa.array([True, False, None]),
        pa.nulls(4),
    ],
    ids=lambda given: str(given.type)[:20],
)
def test_numbers_of_any_type_are_counted_as_float32(given: pa.Array) -> None:
    binning = Binning(kind="number", edges=(-100.0, 0.0, 0.5, 1.0, 2.0, 127.0, 16777216.0, 16777218.0, 2.0**60))
    values = [np.nan if value is None else float(value) for value in given.to_pylist()]
    assert places(binning, pa.chunked_array([given])).tolist() == searched(binning, values)


def test_chunks_slices_and_nulls_make_no_difference() -> None:
    values = pa.array(RNG.normal(size=70_000), mask=RNG.random(70_000) < 0.1)
    binning = freeze(pa.chunked_array([values]), "number")
    whole = count(binning, pa.chunked_array([values]))
    cut = pa.chunked_array([values.slice(0, 3), values.slice(3, 60_000), values.slice(60_003)])
    ragged = pa.chunked_array([values.slice(start, 7) for start in range(0, 70_000, 7)])
    assert count(binning, cut).tolist() == whole.tolist() == count(binning, ragged).tolist()
    assert whole[-1] == values.null_count
    assert whole.sum() == 70_000


def test_counts_of_replicas_add_up() -> None:
    values = RNG.lognormal(size=30_000)
    binnings = {"age": freeze(column(values), "number")}
    parts = [count_columns(binnings, pa.table({"f_age": part})) for part in np.array_split(values, 5)]
    assert merge(*parts)["age"].tolist() == count(binnings["age"], column(values)).tolist()


def test_an_empty_window_counts_nothing() -> None:
    number, category = Binning(kind="number", edges=(0.0, 1.0, 2.0)), Binning(kind="category", names=("red",))
    for kind in (pa.float64(), pa.string()):
        binning = number if kind == pa.float64() else category
        for empty in (pa.chunked_array([], kind), pa.chunked_array([pa.array([], kind)] * 3)):
            assert not count(binning, empty).any()
            assert len(places(binning, empty)) == 0


def test_of_a_reference_without_numbers_every_number_is_new() -> None:
    binning = Binning(kind="number")
    assert count(binning, column([1.0, -np.inf, np.inf, None])).tolist() == [3, 1]
    assert places(binning, column([1.0, None])).tolist() == [0, 1]


def test_nan_is_missing_whatever_its_bits() -> None:
    bits = np.array([0x7F800001, 0xFF800001, 0x7FC00000, 0xFFC00000, 0xFFFFFFFF], np.uint32)
    binning = Binning(kind="number", edges=(0.0, 1.0, 2.0, 3.0))
    for rows in range(1, 40):
        values = np.resize(bits.view(np.float32), rows)
        values[rows // 2] = 1.5
        assert count(binning, column(values)).tolist() == [0, 0, 1, 0, 0, rows - 1]


@pytest.mark.parametrize("encode", [False, True])
def test_categories_that_have_no_name_are_others_and_nulls_are_missing(encode: bool) -> None:
    binning = Binning(kind="category", names=("teal", "red"))
    given = column(["red", "blue", None, "teal", "red", "", "Red"])
    given = given.dictionary_encode() if encode else given
    assert places(binning, given).tolist() == [1, 2, 3, 0, 1, 2, 2]
    assert count(binning, given).tolist() == [1, 2, 3, 1]


def test_dictionaries_that_differ_by_chunk_or_hold_nulls_are_read() -> None:
    binning = Binning(kind="category", names=("a", "b"))
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["b", None]))
    second = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.int8()), pa.array(["a", "c"]))
    assert places(binning, pa.chunked_array([first])).tolist() == [1, 3, 3]
    assert count(binning, pa.chunked_array([second])).tolist() == [1, 0, 2, 0]
    full = pa.DictionaryArray.from_arrays(pa.array([127, None], pa.int8()), pa.array([str(one) for one in range(128)]))
    assert places(Binning(kind="category", names=("127",)), pa.chunked_array([full])).tolist() == [0, 2]


def test_whole_numbers_and_booleans_are_categories_as_they_are_written() -> None:
    assert places(Binning(kind="category", names=("7",)), column([7, 8, None])).tolist() == [0, 1, 2]
    assert places(freeze(column([True]), "boolean"), column([False, True])).tolist() == [0, 1]


def test_columns_are_found_by_their_prefix_and_those_not_there_are_left_out() -> None:
    binnings = {"age": Binning(kind="number", edges=(18.0,)), "gone": Binning(kind="number", edges=(1.0,))}
    table = pa.table({"f_age": [3, 30], "age": [30, 30], "f_new": [1, 2]})
    assert {name: one.tolist() for name, one in count_columns(binnings, table).items()} == {"age": [1, 1, 0]}
    assert count_columns(binnings, table, prefix="")["age"].tolist() == [0, 2, 0]


def test_a_bad_column_is_named_and_does_not_take_the_others_down() -> None:
    binnings = {"hue": Binning(kind="number", edges=(0.0,)), "age": Binning(kind="number", edges=(18.0,))}
    table = pa.table({"f_hue": ["teal", "red"], "f_age": [3, 30]})
    with pytest.raises(DataInvalid, match="'hue' does not hold numbers"):
        count_columns(binnings, table)
    refused: dict[str, DataInvalid] = {}
    assert list(count_columns(binnings, table, refused=refused)) == ["age"]
    assert refused["hue"].faults[0].value == "string"
