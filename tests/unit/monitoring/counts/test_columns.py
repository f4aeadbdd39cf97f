from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import columns

WANTED = [1.0, float("nan"), 3.0]


@pytest.mark.parametrize(
    "chunk",
    [
        pa.array([1, None, 3]),
        pa.array([1.0, None, 3.0]),
        pa.array([1.0, float("nan"), 3.0], pa.float32()),
        pa.array(np.array([1, 0, 3], np.float16), mask=np.array([False, True, False])),
        pa.array([1, None, 3], pa.uint64()),
        pa.array([Decimal("1.00"), None, Decimal("3.00")]),
        pa.array(["1", None, "3.0"]),
        pa.array(["1", None, "3"]).dictionary_encode(),
        pa.array([1, None, 3]).dictionary_encode(),
    ],
    ids=lambda chunk: str(chunk.type)[:24],
)
def test_numbers_of_any_type_are_read_with_nan_where_missing(chunk: pa.Array) -> None:
    assert np.array_equal(columns.numbers(chunk).astype(np.float64), WANTED, equal_nan=True)


def test_booleans_are_one_and_nought_where_numbers_are_wanted() -> None:
    assert columns.numbers(pa.array([True, False])).tolist() == [1.0, 0.0]


def test_nothing_but_nulls_reads_as_either() -> None:
    assert np.isnan(columns.numbers(pa.nulls(2))).all()
    assert columns.text(pa.nulls(2)).null_count == 2


@pytest.mark.parametrize("chunk", [pa.array(["teal"]), pa.array([[1.0]]), pa.array([{"a": 1}]), pa.array([b"\xff"])])
def test_what_holds_no_numbers_is_named(chunk: pa.Array) -> None:
    with pytest.raises(DataInvalid, match="'hue' does not hold numbers") as caught:
        columns.numbers(chunk, "hue")
    assert caught.value.faults[0].value == str(chunk.type)


@pytest.mark.parametrize("chunk", [pa.array([[1.0]]), pa.array([{"a": 1}]), pa.array([b"\xff"])])
def test_what_holds_no_categories_is_named(chunk: pa.Array) -> None:
    with pytest.raises(DataInvalid, match="'hue' does not hold categories"):
        columns.text(chunk, "hue")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_of_any_width_is_read(kind: Any) -> None:
    assert columns.text(pa.array(["a", None], kind)).to_pylist() == ["a", None]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_is_no_category(kind: Any) -> None:
    chunk = pa.array(np.array([1.5, np.nan]), pa.float64()).cast(kind)
    assert columns.text(chunk).to_pylist() == ["1.5", None]


def test_many_small_chunks_are_read_as_one() -> None:
    column = pa.chunked_array([[1.0], [2.0], [3.0]])
    assert [len(chunk) for chunk in columns.chunks(column)] == [3]
    assert columns.chunks(pa.chunked_array([], pa.float64())) == []
