from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.features.online import OnlineReader, OnlineStore, OnlineView, Status, materialise
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.types import dtype

VIEW = OnlineView("v", "v@1", ("value", "name"), (dtype("number"), dtype("text")))
Row = tuple[int | None, int, int | None, float | None, str | None]
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 5),
        st.integers(-5, 5),
        st.none() | st.integers(-5, 5),
        st.none() | st.floats(),
        st.none() | st.text(max_size=3),
    ),
    max_size=30,
)


@pytest.fixture
def store() -> Iterator[OnlineStore]:
    store = SQLiteOnlineStore(":memory:")
    yield store
    store.close()


def table(rows: Sequence[Row]) -> pa.Table:
    kinds = [pa.int64(), pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC"), pa.float64(), pa.string()]
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    return pa.table(dict(zip(["id", "at", "made", "value", "name"], columns, strict=True)))


def newest(rows: Sequence[Row], now: int) -> dict[int, tuple[float | None, str | None]]:
    """The reference, row by row."""
    found: dict[int, tuple[tuple[int, int], tuple[float | None, str | None]]] = {}
    for key, event, created, value, name in rows:
        order = (event, event if created is None else created)
        if key is None or max(order) > now:
            continue
        if key not in found or order >= found[key][0]:
            found[key] = order, (None if value is None or math.isnan(value) else value, name)
    return {key: values for key, (_, values) in found.items()}


@settings(deadline=None)
@given(ROWS, st.lists(st.integers(0, 30), max_size=3), st.integers(-5, 5))
def test_the_newest_row_of_each_key_is_served_however_the_rows_come(rows: list[Row], cuts: list[int], now: int) -> None:
    # Parts come in any order, but rows of equal times of one key in theirs.
    store = SQLiteOnlineStore(":memory:")
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [rows[start:end] for start, end in pairwise(bounds)]
    for part in parts:
        materialise(store, VIEW, table(part), ["id"], timestamp="at", created="made", now=now)
    found = OnlineReader(store, [VIEW]).get([str(key) for key in range(6)], ["v.value", "v.name"], now)
    store.close()

    expected = newest(rows, now)
    assert [tuple(row.values()) for row in found.rows()] == [expected.get(key, (None, None)) for key in range(6)]
    assert [status is Status.PRESENT for status in found.statuses["v"]] == [key in expected for key in range(6)]


def test_older_rows_are_not_taken_and_the_same_ones_are(store: OnlineStore) -> None:
    old, new = table([(1, 5, None, 1.0, "a")]), table([(1, 6, None, 2.0, "b"), (2, 5, None, 1.0, "c")])
    taken = [materialise(store, VIEW, part, ["id"], timestamp="at") for part in (new, old, new)]
    assert taken == [2, 0, 2]


def test_many_batches(store: OnlineStore) -> None:
    rows: list[Row] = [(number, number, None, float(number), str(number)) for number in range(25_001)]
    assert materialise(store, VIEW, table(rows), ["id"], timestamp="at") == len(rows)
    found = OnlineReader(store, [VIEW]).get([str(row[0]) for row in rows], ["v.name"], 10**6)
    assert found.table()["v.name"].to_pylist() == [row[4] for row in rows]


def test_composite_keys_and_columns_under_other_names(store: OnlineStore) -> None:
    rows = pa.table(
        {"a": [1, 1], "b": ["x", "y"], "t": pa.array([1, 1], pa.timestamp("ms")), "n": ["p", "q"], "v": [1, 2]}
    )
    materialise(store, VIEW, rows, ["a", "b"], timestamp="t", columns=["v", "n"])
    found = OnlineReader(store, [VIEW]).get(["1\x1fy", "1\x1fx"], ["v.name", "v.value"], 10**6)
    assert found.rows() == [{"v.name": "q", "v.value": 2.0}, {"v.name": "p", "v.value": 1.0}]


def test_no_rows_write_nothing(store: OnlineStore) -> None:
    assert materialise(store, VIEW, table([]), ["id"], timestamp="at") == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"at": pa.array([None], pa.timestamp("us", "UTC"))}, "at"),
        ({"at": pa.array(["2020-01-01"])}, "at"),
        ({"value": pa.array(["much"])}, "value"),
        ({"id": pa.array([0.5])}, "id"),
        ({"value": None}, "value"),
        ({"at": None}, "at"),
        ({"made": None}, "made"),
        ({"id": None}, "id"),
    ],
)
def test_bad_columns_are_refused_by_name_and_nothing_is_written(
    store: OnlineStore, change: dict[str, pa.Array | None], field: str
) -> None:
    data = table([(1, 1, 1, 1.0, "a")])
    for name, column in change.items():
        data = data.drop_columns([name])
        if column is not None:
            data = data.append_column(name, column)
    with pytest.raises(DataInvalid) as caught:
        materialise(store, VIEW, data, ["id"], timestamp="at", created="made")
    assert caught.value.faults[0].field == field
    assert store.read([(VIEW.stored, ["1"])]) == [[None]]
