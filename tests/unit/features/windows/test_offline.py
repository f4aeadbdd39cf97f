from __future__ import annotations

import math
import struct
from decimal import Decimal as Number
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.features.windows.streams import (
    Event,
    labels,
    moment,
    random_events,
    reference,
    table,
    view,
)

from tropism.core.clock import SECOND
from tropism.core.errors import DataInvalid
from tropism.features import ParquetSource, agg
from tropism.features.windows import window_values

TIMES = st.one_of(st.integers(-12, 12).map(lambda second: second * SECOND), st.integers(-12 * SECOND, 12 * SECOND))
FLOATS = st.one_of(
    st.floats(), st.floats(-1e4, 1e4), st.sampled_from([0.1, 0.2, 0.3, -0.0, 5e-324, 1.7e308, 1e16, 1.0])
)


@st.composite
def event(draw: st.DrawFn) -> Event:
    at = draw(TIMES)
    late = draw(st.one_of(st.just(0), st.none(), st.integers(0, 3), TIMES))
    return {
        "who": draw(st.sampled_from(["x", "y", None])),
        "at": moment(at),
        "arrived": None if late is None else moment(at + late),
        "amount": draw(st.none() | FLOATS),
        "cents": draw(st.none() | st.integers(-(10**36), 10**36).map(lambda cents: Number(f"{cents}e-2"))),
        "items": draw(st.none() | st.integers(-(2**59), 2**59)),
        "shop": draw(st.none() | st.sampled_from("abc")),
        "seen": draw(st.none() | TIMES.map(moment)),
        "ok": draw(st.none() | st.booleans()),
    }


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


@settings(max_examples=300, deadline=None)
@given(
    st.lists(event(), max_size=12),
    st.lists(st.tuples(st.sampled_from(["x", "y", "z", None]), TIMES), max_size=8),
    st.sampled_from(["arrival", "event"]),
)
def test_values_are_those_of_the_definition_to_the_last_bit(
    events: list[Event], asked: list[tuple[str, int]], known: str
) -> None:
    of = view(known=known)
    found = window_values(of, table(events), labels(asked), "t").to_pylist()
    assert len(found) == len(asked)
    for row, (who, time) in zip(found, asked, strict=True):
        expected = reference(of, [one for one in events if one["who"]], who, time)
        assert {name: bits(value) for name, value in row.items()} == {
            name: bits(value + 0.0 if isinstance(value, float) else value) for name, value in expected.items()
        }


@settings(max_examples=300, deadline=None)
@given(
    st.lists(event(), max_size=12),
    st.lists(st.tuples(st.sampled_from(["x", "y", "z", None]), TIMES, TIMES), max_size=8),
    st.sampled_from(["arrival", "event"]),
)
def test_only_what_had_arrived_by_then_counts_for_a_label(
    events: list[Event], asked: list[tuple[str, int, int]], known: str
) -> None:
    of = view(known=known)
    wanted = labels([(who, time) for who, time, _ in asked], [reach for *_, reach in asked])
    found = window_values(of, table(events), wanted, "t", known="known").to_pylist()
    present = [one for one in events if one["who"]]
    expected = [reference(of, present, who, time, reach) for who, time, reach in asked]
    for row, wanted_row in zip(found, expected, strict=True):
        assert {name: bits(value) for name, value in row.items()} == {
            name: bits(value + 0.0 if isinstance(value, float) else value) for name, value in wanted_row.items()
        }


@pytest.mark.parametrize("places", [1, 1 << 62])
@pytest.mark.parametrize("known", ["arrival", "event"])
def test_a_longer_history_in_several_slices(monkeypatch: pytest.MonkeyPatch, places: int, known: str) -> None:
    monkeypatch.setattr("tropism.features.windows.history._SLICE", 100)
    monkeypatch.setattr("tropism.features.windows.offline._PAIRS", 50)
    monkeypatch.setattr("tropism.features.windows.offline._PLACES", places)
    events, of = random_events(1, 600), view(known=known)
    random = np.random.default_rng(2)
    asked = [
        (f"a{random.integers(0, 42)}", int(random.integers(-40, 40) * SECOND + random.integers(0, 3)))
        for _ in range(80)
    ]
    found = window_values(of, table(events), labels(asked), "t").to_pylist()
    assert found == [reference(of, events, *one) for one in asked]
    # Behind by up to three seconds, ahead, and in one of ten nothing has come yet.
    reach = [time + int(random.integers(-3, 2) * SECOND) if random.random() < 0.9 else -(10**9) for _, time in asked]
    found = window_values(of, table(events), labels(asked, reach), "t", known="known").to_pylist()
    assert found == [reference(of, events, *one, upto) for one, upto in zip(asked, reach, strict=True)]


def test_an_event_counts_after_it_happened_and_arrived_and_from_the_beginning_of_a_hop() -> None:
    of = view(agg.count("10s", hop="5s"))
    events = table([{"who": "x", "at": moment(-5 * SECOND), "arrived": moment(-4 * SECOND)}])
    times = [-5 * SECOND, -4 * SECOND, -4 * SECOND + 1, 10 * SECOND - 1, 10 * SECOND]
    found = window_values(of, events, labels([("x", time) for time in times]), "t")
    assert found["count_10s"].to_pylist() == [0, 0, 1, 1, 0]
    never = table([{"who": "x", "at": moment(-5 * SECOND), "arrived": moment(99 * SECOND)}])
    found = window_values(of, never, labels([("x", time) for time in times]), "t")
    assert found["count_10s"].to_pylist() == [0] * 5


def test_many_different_values_are_estimated() -> None:
    of = view(agg.distinct("shop", "10s"), agg.distinct("items", "10s"))
    events = [{"who": "x", "at": moment(1), "shop": f"s{i}", "items": i % 256} for i in range(20_000)]
    (row,) = window_values(of, table(events), labels([("x", SECOND)]), "t").to_pylist()
    assert row["distinct_items_10s"] == 256
    assert abs(row["distinct_shop_10s"] / 20_000 - 1) < 0.06


def test_without_created_an_event_is_known_when_it_happened_and_columns_have_the_types_of_the_data() -> None:
    of = view(
        agg.sum("a", "10s"),
        agg.max("b", "10s"),
        agg.last("c", "10s"),
        source=ParquetSource("x.parquet", timestamp="at"),
    )
    events = pa.table(
        {
            "who": pa.array([1, 1, 2], pa.int32()),
            "at": [moment(0), moment(SECOND), None],
            "a": pa.array([Number("1.005"), Number("2.250"), None], pa.decimal128(10, 3)),
            "b": pa.array([7, 3, 9], pa.int8()),
            "c": pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float32(), 2)),
        }
    )
    asked = pa.table({"who": ["1", "2"], "t": pa.array([2 * SECOND] * 2, pa.timestamp("us", "UTC"))})
    found = window_values(of, events, asked, "t")
    assert found.schema.types == [pa.decimal128(38, 3), pa.int64(), pa.list_(pa.float32(), 2)]
    assert found.to_pylist() == [
        {"sum_a_10s": Number("3.255"), "max_b_10s": 7, "last_c_10s": [3.0, 4.0]},
        {"sum_a_10s": None, "max_b_10s": None, "last_c_10s": None},
    ]


def test_distinct_counts_vectors_times_and_numbers_by_value() -> None:
    of = view(*(agg.distinct(name, "10s") for name in "abc"), source=ParquetSource("x.parquet", timestamp="at"))
    events = pa.table(
        {
            "who": ["x"] * 4,
            "at": pa.array([1] * 4, pa.timestamp("us", "UTC")),
            "a": pa.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], None], pa.list_(pa.float32(), 2)),
            "b": pa.array([5, 5, None, 5], pa.timestamp("us", "UTC")),
            "c": [0.0, -0.0, math.nan, 1.0],
        }
    )
    (row,) = window_values(of, events, labels([("x", 5)]), "t").to_pylist()
    assert row == {"distinct_a_10s": 2, "distinct_b_10s": 1, "distinct_c_10s": 2}


@pytest.mark.parametrize(("column", "value"), [("cents", Number("9e35")), ("items", 2**62)])
def test_a_sum_of_too_many_digits_is_refused_by_name(column: str, value: Any) -> None:
    of = view(agg.sum(column, "10s"))
    events = table([{"who": "x", "at": moment(1), column: value}] * 2)
    with pytest.raises(DataInvalid) as caught:
        window_values(of, events, labels([("x", 2)]), "t")
    assert caught.value.faults[0].field == f"sum_{column}_10s"


@pytest.mark.parametrize(
    ("events", "field"),
    [
        ({"who": ["x"], "at": ["yesterday"], "amount": [1.0]}, "at"),
        ({"who": ["x"], "amount": [1.0]}, "at"),
        ({"who": ["x"], "at": [moment(0)]}, "amount"),
        ({"who": ["x"], "at": [moment(0)], "amount": ["much"]}, "amount"),
        ({"at": [moment(0)], "amount": [1.0]}, "who"),
    ],
)
def test_a_history_that_does_not_fit_is_refused_by_column(events: dict[str, Any], field: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        window_values(view(agg.sum("amount", "10s")), pa.table(events), labels([("x", 2)]), "t")
    assert caught.value.faults[0].field == field


def test_a_label_without_a_time_is_refused() -> None:
    asked = pa.table({"who": ["x"], "t": pa.array([None], pa.timestamp("us", "UTC"))})
    with pytest.raises(DataInvalid):
        window_values(view(), table([]), asked, "t")


def test_what_was_known_may_be_a_time_but_not_missing_and_events_must_say_when_they_arrived() -> None:
    of, asked = view(agg.count("10s")), labels([("x", 5), ("x", 5)], [2, 3])
    events = table([{"who": "x", "at": moment(1), "arrived": moment(3)}])
    stamps = asked.set_column(2, "known", asked["known"].cast(pa.timestamp("us", "UTC")))
    for wanted in (asked, stamps):
        assert window_values(of, events, wanted, "t", known="known")["count_10s"].to_pylist() == [0, 1]
    missing = asked.set_column(2, "known", pa.array([1, None], pa.int64()))
    for history, wanted, name, field in (
        (events, missing, "known", "known"),
        (events, asked, "reach", "reach"),
        (events, asked, "who", "who"),
        (events.drop_columns("arrived"), asked, "known", "created"),
    ):
        with pytest.raises(DataInvalid) as caught:
            window_values(of, history, wanted, "t", known=name)
        assert caught.value.faults[0].field == field
