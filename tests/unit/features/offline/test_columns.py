from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.features.offline.columns import MOMENT, fitted, moments
from tropism.features.types import dtype

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def chunked(values: list[Any], type_: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, type_)])


def refused(column: pa.ChunkedArray, kind: str) -> str:
    with pytest.raises(DataInvalid) as caught:
        fitted(column, dtype(kind), "view.feature")
    (fault,) = caught.value.faults
    assert fault.field == "view.feature"
    assert fault.fix
    return fault.value


@pytest.mark.parametrize(
    "column",
    [
        chunked([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
        chunked([NOON], pa.timestamp("s", "Asia/Kolkata")),
        chunked([NOON], pa.timestamp("ns", "America/New_York")),
        chunked(["2026-01-31T12:00:00"]),
        chunked(["2026-01-31 17:30:00.000000999+05:30"]),
        chunked(["2026-01-31T07:00-05"]),
        chunked(["2026-01-31T12Z"], pa.large_string()),
        chunked(["2026-01-31T12:00:00Z"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_times_are_brought_to_utc(column: pa.ChunkedArray) -> None:
    found = moments(column, "at")
    assert found.type == MOMENT
    assert found.to_pylist() == [NOON]


def test_dates_are_their_midnight_in_utc() -> None:
    midnight = [datetime(2026, 1, 31, tzinfo=UTC), None]
    for type_ in (pa.date32(), pa.date64()):
        assert moments(chunked([date(2026, 1, 31), None], type_), "at").to_pylist() == midnight
    assert moments(chunked(["2026-01-31", None]), "at").to_pylist() == midnight


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.datetimes(timezones=ZONES) | st.none(), max_size=5))
def test_iso_text_is_read_as_python_reads_it(times: list[datetime | None]) -> None:
    text = [None if one is None else one.isoformat() for one in times]
    zoned = [one if one is None or one.tzinfo else one.replace(tzinfo=UTC) for one in times]
    wanted = [None if one is None else (one - EPOCH) // timedelta(microseconds=1) for one in zoned]
    assert moments(chunked(text, pa.string()), "at").cast(pa.int64()).to_pylist() == wanted


@pytest.mark.parametrize(
    ("column", "shows"),
    [
        (chunked([1_700_000_000]), "1700000000"),
        (chunked([1.5]), "1.5"),
        (chunked(["2026-01-31", "yesterday", "no"]), "'yesterday'"),
        (chunked(["2026-02-30"]), "'2026-02-30'"),
        (chunked([""]), "''"),
        (chunked([True]), "True"),
        (chunked([2**62], pa.timestamp("s")), "timestamp[s]"),
    ],
)
def test_what_is_no_time_is_shown(column: pa.ChunkedArray, shows: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        moments(column, "updated_at")
    assert caught.value.faults[0].field == "updated_at"
    assert shows in caught.value.faults[0].value


@pytest.mark.parametrize(
    ("column", "kind", "shows"),
    [
        (chunked(["1", "12.345", "x"]), "decimal(2)", "'12.345'"),
        (chunked([1.25, 12.345]), "decimal(2)", "12.345"),
        (chunked([Decimal("12.345")]), "decimal(2)", "Decimal('12.345')"),
        (chunked([math.inf]), "decimal(2)", "inf"),
        (chunked(["v" * 300]), "vector(3)", "'" + "v" * 79),
        (chunked([[1.0, 2.0, 3.0], None, [1.0, 2.0]]), "vector(3)", "[1.0, 2.0]"),
        (chunked([[1.0, None]]), "vector(2)", "[1.0, None]"),
        (chunked([["a", "b"]]), "vector(2)", "['a', 'b']"),
        (chunked([[1.0, 2.0]], pa.list_(pa.float64(), 2)), "vector(3)", "[1.0, 2.0]"),
        (chunked([None, 2.5]), "integer", "2.5"),
        (chunked([2**64 - 1], pa.uint64()), "integer", str(2**64 - 1)),
        (chunked([True]), "integer", "True"),
        (chunked([NOON]), "integer", "2026-01-31 12:00:00"),
        (chunked([NOON], pa.timestamp("ns")), "number", "2026-01-31 12:00:00"),
        (chunked(["1", "one"]), "number", "'one'"),
        (chunked([0, 2]), "boolean", "0"),
        (chunked([b"\xff"]), "text", "b'\\xff'"),
        (chunked([5]), "time", "5"),
    ],
)
def test_the_first_value_that_does_not_fit_is_shown(column: pa.ChunkedArray, kind: str, shows: str) -> None:
    assert shows in refused(column, kind)


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        (chunked([2**62 + 1, None]), "integer", [2**62 + 1, None]),
        (chunked([3.0, math.nan, None]), "integer", [3, None, None]),
        (chunked(["9007199254740993"]), "integer", [9007199254740993]),
        (chunked([1.5, math.nan]), "number", [1.5, None]),
        (chunked([2**53 + 1]), "number", [2.0**53]),
        (chunked([0.1, None]), "decimal(2)", [Decimal("0.10"), None]),
        (chunked(["12345678901234567890.12"]), "decimal(2)", [Decimal("12345678901234567890.12")]),
        (chunked([[1, 2], None]), "vector(2)", [[1.0, 2.0], None]),
        (chunked([None], pa.null()), "vector(2)", [None]),
        (chunked([None], pa.bool_()), "number", [None]),
        (chunked(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
        (chunked([7]), "text", ["7"]),
        (chunked(["true", "false"]), "boolean", [True, False]),
        (chunked(["2026-01-31T12:00:00Z"]), "time", [NOON]),
    ],
)
def test_what_fits_becomes_the_declared_type(column: pa.ChunkedArray, kind: str, values: list[object]) -> None:
    found = fitted(column, dtype(kind), "view.feature")
    assert found.type == dtype(kind).arrow()
    assert found.to_pylist() == values
