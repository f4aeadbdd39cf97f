from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features.online import Packing
from tropism.features.types import Dtype, dtype

WHOLE = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(timezones=st.just(datetime.UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(),
    "integer": WHOLE,
    "text": st.text(),
    "boolean": st.booleans(),
    "time": MOMENTS,
    "decimal(0)": st.integers(-(10**38) + 1, 10**38 - 1).map(decimal.Decimal),
    "decimal(2)": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda whole: scaled(whole, 2)),
    "decimal(18)": st.integers(-(10**20), 10**20).map(lambda whole: scaled(whole, 18)),
    "vector(1)": st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=1),
    "vector(3)": st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3),
}


def scaled(whole: int, scale: int) -> decimal.Decimal:
    return decimal.Decimal((whole < 0, tuple(map(int, str(abs(whole)))), -scale))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Dtype], list[tuple[int, int, list[Any]]]]:
    """Types, and rows of them."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=11))
    row = st.tuples(WHOLE, WHOLE, st.tuples(*(st.none() | VALUES[name] for name in names)).map(list))
    return [dtype(name) for name in names], draw(st.lists(row, min_size=1, max_size=8))


def kept(value: Any) -> Any:
    """What is to come back."""
    return None if isinstance(value, float) and math.isnan(value) else value


def arrow(dtypes: list[Dtype], rows: list[tuple[int, int, list[Any]]]) -> pa.Table:
    columns = [pa.array([row[2][place] for row in rows], one.arrow()) for place, one in enumerate(dtypes)]
    return pa.Table.from_arrays(columns, names=[f"c{place}" for place in range(len(dtypes))])


@settings(max_examples=200, deadline=None)
@given(tables())
def test_what_goes_in_comes_out_one_by_one_and_many_at_once(
    given: tuple[list[Dtype], list[tuple[int, int, list[Any]]]],
) -> None:
    dtypes, rows = given
    packing = Packing(dtypes)
    packed = [packing.pack(*row) for row in rows]

    assert [packing.unpack(one) for one in packed] == [(*row[:2], list(map(kept, row[2]))) for row in rows]

    events, created = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    assert packing.pack_table(arrow(dtypes, rows), events, created) == packed

    arrays = packing.unpack_columns([None, *packed])
    for array in arrays:
        array.validate(full=True)
    assert [array.type for array in arrays] == [one.arrow() for one in dtypes]
    assert [list(row) for row in zip(*(array.to_pylist()[1:] for array in arrays), strict=True)] == [
        list(map(kept, row[2])) for row in rows
    ]
    assert {array[0].as_py() for array in arrays} == {None}


@given(st.lists(st.tuples(WHOLE, WHOLE), min_size=2, max_size=2))
def test_rows_sort_by_event_time_then_created_time(pairs: list[tuple[int, int]]) -> None:
    packing = Packing([])
    one, other = (packing.pack(*pair, []) for pair in pairs)
    assert (one < other) == (pairs[0] < pairs[1])


def test_slices_chunks_and_other_encodings_of_a_column_give_the_same_rows() -> None:
    kinds = ["number", "text", "boolean", "vector(2)", "decimal(2)", "time", "integer"]
    packing = Packing([dtype(kind) for kind in kinds])
    moments = pa.array([1, None, 3, 4], pa.timestamp("us", "UTC"))
    plain = [
        pa.array([1.0, math.nan, None, 4.0]),
        pa.array(["a", None, "", "ключ"]),
        pa.array([True, None, False, True]),
        pa.array([[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
        pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(-7), decimal.Decimal(0)], pa.decimal128(38, 2)),
        moments,
        pa.array([1, None, -3, 4]),
    ]
    other = [
        plain[0].cast(pa.float32()),
        plain[1].dictionary_encode(),
        plain[2],
        pa.array([[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float64())),
        plain[4].cast(pa.decimal128(10, 2)),
        moments.cast(pa.timestamp("ns", "Europe/Madrid")),
        plain[6].cast(pa.int8()),
    ]
    times = np.arange(4, dtype=np.int64)
    table = pa.table({str(place): column for place, column in enumerate(plain)})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 2), table.slice(3, 1)])
    expected = packing.pack_table(table, times, times)

    assert packing.pack_table(chunked, times, times) == expected
    assert packing.pack_table(table.slice(1, 2), times[1:3], times[1:3]) == expected[1:3]
    assert packing.pack_table(pa.table({str(place): column for place, column in enumerate(other)}), times, times) == (
        expected
    )


def test_nothing_packs_to_nothing() -> None:
    packing = Packing([dtype("number"), dtype("text"), dtype("vector(2)"), dtype("boolean"), dtype("decimal(1)")])
    nothing = np.zeros(0, np.int64)
    table = pa.table({str(place): pa.array([], one.arrow()) for place, one in enumerate(packing.dtypes)})
    assert packing.pack_table(table, nothing, nothing) == []
    assert [len(array) for array in packing.unpack_columns([])] == [0] * 5


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "1"),
        ("number", 10**400),
        ("integer", 2**63),
        ("integer", True),
        ("text", 5),
        ("text", "\ud800"),
        ("boolean", 1),
        ("time", 5),
        ("decimal(2)", decimal.Decimal("0.001")),
        ("decimal(2)", decimal.Decimal("1e36")),
        ("decimal(2)", decimal.Decimal("1e999999")),
        ("decimal(2)", decimal.Decimal("NaN")),
        ("decimal(2)", math.inf),
        ("vector(2)", [1.0]),
        ("vector(2)", [1e300, 0.0]),
        ("vector(2)", [1.0, None]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_place(kind: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        Packing([dtype("number"), dtype(kind)]).pack(0, 0, [1.0, value])
    assert caught.value.faults[0].field == "values[1]"
    assert kind in caught.value.faults[0].fix


def test_whole_numbers_and_floats_fit_a_decimal_by_what_they_read_as() -> None:
    packing = Packing([dtype("decimal(2)")])
    found = [packing.unpack(packing.pack(0, 0, [value]))[2] for value in (7, 0.1, 1e2)]
    assert found == [[decimal.Decimal("7.00")], [decimal.Decimal("0.10")], [decimal.Decimal("100.00")]]


@pytest.mark.parametrize("values", [[], [1.0, 2.0]])
def test_a_row_of_another_length_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInput, match="send 1"):
        Packing([dtype("number")]).pack(0, 0, values)


def test_a_time_out_of_reach_is_refused() -> None:
    with pytest.raises(InvalidInput, match="microseconds"):
        Packing([]).pack(2**63, 0, [])


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("number", pa.array(["x"])),
        ("integer", pa.array([0.5])),
        ("decimal(2)", pa.array([decimal.Decimal("0.001")])),
        ("vector(2)", pa.array([[1.0]])),
        ("vector(2)", pa.array([[1.0, None]])),
        ("time", pa.array(["yesterday"])),
        ("time", pa.array([2**62], pa.timestamp("us", "UTC"))),
        ("text", pa.array([{"a": 1}])),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_its_name(kind: str, column: pa.Array) -> None:
    times = np.zeros(1, np.int64)
    with pytest.raises(DataInvalid) as caught:
        Packing([dtype(kind)]).pack_table(pa.table({"amount": column}), times, times)
    assert caught.value.faults[0].field == "amount"


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(noise: bytes) -> None:
    for kinds in (["number", "boolean"], ["text", "number", "text"]):
        packing = Packing([dtype(kind) for kind in kinds])
        row = packing.pack(5, 5, [None if kind != "text" else "a" for kind in kinds])
        for wrong in (noise, row[:-1], row + b"x", b"\x02" + row[1:], row[:1] + noise):
            if wrong == row or packing.sound([wrong]):
                continue
            with pytest.raises(DataInvalid, match="materialise"):
                packing.unpack(wrong)
            with pytest.raises(DataInvalid, match="materialise"):
                packing.unpack_columns([row, wrong])


def test_text_that_is_not_utf8_is_refused() -> None:
    packing = Packing([dtype("text")])
    with pytest.raises(DataInvalid):
        packing.unpack(packing.pack(0, 0, ["ab"])[:-2] + b"\xff\xfe")
