from __future__ import annotations

import datetime
from decimal import Decimal as Exact

import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid
from tropism.core.events import Push
from tropism.features import Decimal, StreamSource, Vector
from tropism.features.streams import events_table, lake_schema

UTC = datetime.UTC
STAMP = 1_700_000_000_000_000
STAMPED = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
SOURCE = StreamSource(
    name="payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2), "place": Vector(2)}
)


def push(*rows: tuple[object, ...], names: tuple[str, ...] = ("account_id", "amount", "place", "at")) -> Push:
    return Push(source="payments", received=STAMP, names=names, rows=list(rows))


def test_the_columns_are_the_tables_own_and_the_streams() -> None:
    assert lake_schema(SOURCE) == pa.schema(
        [
            ("at", pa.timestamp("us", "UTC")),
            ("writer", pa.string()),
            ("seq", pa.int64()),
            ("row", pa.int64()),
            ("c_account_id", pa.string()),
            ("c_amount", pa.decimal128(38, 2)),
            ("c_place", pa.list_(pa.float32())),
            ("c_at", pa.timestamp("us", "UTC")),
            ("c_arrived_at", pa.timestamp("us", "UTC")),
        ]
    )


def test_rows_keep_their_places_and_are_stamped() -> None:
    first, second = push(("a", "9.50", [1.0, 2.0], 0), ("b", None, None, 1)), push(("c", "9" * 36 + ".99", None, 2))
    table = events_table(SOURCE, [(first, "w1", 4, 0), (push(), "w1", 4, 2), (second, "w2", 2**40, 7)], STAMP)
    assert table.select(["writer", "seq", "row"]).to_pylist() == [
        {"writer": "w1", "seq": 4, "row": 0},
        {"writer": "w1", "seq": 4, "row": 1},
        {"writer": "w2", "seq": 2**40, "row": 7},
    ]
    assert table["c_amount"].to_pylist() == [Exact("9.50"), None, Exact("9" * 36 + ".99")]
    assert table["c_place"].to_pylist() == [[1.0, 2.0], None, None]
    assert table["c_at"].cast(pa.int64()).to_pylist() == [0, 1, 2]
    assert table["at"].to_pylist() == table["c_arrived_at"].to_pylist() == [STAMPED] * 3


def test_no_pushes_are_no_rows() -> None:
    table = events_table(SOURCE, [], STAMP)
    assert (len(table), table.schema) == (0, lake_schema(SOURCE))


def test_a_column_that_came_later_is_null_and_one_that_is_gone_is_left_out() -> None:
    table = events_table(SOURCE, [(push(("x", 5, "a"), names=("gone", "at", "account_id")), "w", 1, 0)], STAMP)
    assert table["c_account_id"].to_pylist() == ["a"]
    assert table["c_amount"].to_pylist() == [None]
    assert table.schema == lake_schema(SOURCE)


def test_an_arrival_column_of_another_name_is_stamped_too() -> None:
    source = StreamSource(name="clicks", timestamp="at", created="written", schema={"user": str})
    table = events_table(source, [(push(("u", 5), names=("user", "at")), "w", 1, 0)], STAMP)
    assert table["c_written"].to_pylist() == [STAMPED]


@pytest.mark.parametrize("amount", [12.5, True, "x", "12.345"])
def test_values_of_a_type_that_the_column_has_no_more_are_told(amount: object) -> None:
    with pytest.raises(DataInvalid) as caught:
        events_table(SOURCE, [(push(("a", amount, None, 0)), "w", 1, 0)], STAMP)
    assert caught.value.faults[0].field == "amount"
