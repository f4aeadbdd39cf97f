from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features import CsvSource, Entity, FeatureView, Field, ParquetSource, agg
from tropism.features.offline import training_set
from tropism.features.types import Decimal, Vector

START = datetime(2026, 3, 8, tzinfo=UTC)  # New York changes its clocks on this day
HOUR = timedelta(hours=1)
ZONES = (UTC, ZoneInfo("America/New_York"), timezone(timedelta(hours=5, minutes=30)))
STAMPS = (pa.timestamp("us", "UTC"), pa.timestamp("ms", "America/New_York"), pa.timestamp("s"), pa.string())
ACCOUNT = Entity("account", key="account_id")
SEAT = Entity("seat", key=("place", "number"))
BIG = 2**62 + 1


def moment(hour: int) -> datetime:
    return START + hour * HOUR


def view(name: str = "profile", created: str = "", **changes: Any) -> FeatureView:
    facts: dict[str, Any] = {
        "entity": ACCOUNT,
        "source": ParquetSource("profiles.parquet", timestamp="ts", created=created),
        "fields": [Field("score", int, column="value")],
        **changes,
    }
    return FeatureView(name, **facts)


def stamps(hours: Sequence[int | None], type_: pa.DataType) -> pa.Array:
    """The same moments, written in a column of another type."""
    if type_ != pa.string():
        whole = pa.array([None if hour is None else moment(hour) for hour in hours], pa.timestamp("us", "UTC"))
        return whole.cast(type_)
    zones = [ZONES[place % len(ZONES)] for place in range(len(hours))]
    texts = [
        None if h is None else moment(h).astimezone(zone).isoformat() for h, zone in zip(hours, zones, strict=True)
    ]
    return pa.array(texts, pa.string())


PLACES = st.none() | st.sampled_from(["a", "b"])
NUMBERS = st.none() | st.integers(0, 1)
HOURS = st.integers(0, 6)
LABELS = st.lists(st.tuples(PLACES, NUMBERS, HOURS), max_size=12)
ROWS = st.lists(st.tuples(PLACES, NUMBERS, st.none() | HOURS, st.none() | HOURS), max_size=20)


def brute(labels: list[Any], rows: list[Any], created: bool, known: str, ttl: int | None) -> list[int | None]:
    """The definition, row by row; row i has the value i, but every fourth has none."""
    values: list[int | None] = []
    for place, number, at in labels:
        best: tuple[int, int, int] | None = None
        for index, (row_place, row_number, time, written) in enumerate(rows):
            if None in (place, number, time) or (place, number) != (row_place, row_number):
                continue
            since = time if written is None or not created else written
            if time <= at and (known == "event" or max(time, since) <= at):
                best = max(best or (time, since, index), (time, since, index))
        holds = best is not None and (ttl is None or at - best[0] < ttl)
        values.append(best[2] + BIG if best is not None and holds and best[2] % 4 else None)
    return values


@given(
    LABELS,
    ROWS,
    st.booleans(),
    st.sampled_from(["arrival", "event"]),
    st.none() | st.integers(1, 4),
    st.tuples(*[st.sampled_from(STAMPS)] * 3),
    st.sampled_from([1, 1_000, 2**31]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_it_is_the_definition_spilled_or_not(
    tmp_path: Path,
    labels: list[Any],
    rows: list[Any],
    created: bool,
    known: Any,
    ttl: int | None,
    types: tuple[pa.DataType, pa.DataType, pa.DataType],
    memory: int,
) -> None:
    seats = view("seats", "seen" if created else "", entity=SEAT, known=known, ttl=None if ttl is None else f"{ttl}h")
    source = pa.table(
        {
            "place": pa.array([row[0] for row in rows], pa.string()).dictionary_encode(),
            "number": pa.array([row[1] for row in rows], pa.int8()),
            "ts": stamps([row[2] for row in rows], types[0]),
            "seen": stamps([row[3] for row in rows], types[1]),
            "value": pa.array([i + BIG if i % 4 else None for i in range(len(rows))], pa.int64()),
        }
    )
    asked = pa.table(
        {
            "at": stamps([label[2] for label in labels], types[2]),
            "number": pa.array([None if label[1] is None else str(label[1]) for label in labels], pa.string()),
            "place": pa.array([label[0] for label in labels], pa.string()),
        }
    )
    found = training_set(asked, [seats], lambda view, columns: source, at="at", memory=memory, work=tmp_path)
    assert found.column_names == ["at", "number", "place", "seats.score"]
    assert found.select(asked.column_names).equals(asked)
    assert found["seats.score"].to_pylist() == brute(labels, rows, created, known, ttl)
    assert found["seats.score"].type == pa.int64()
    assert list(tmp_path.iterdir()) == []


def profiles(**more: Any) -> pa.Table:
    facts = {"account_id": [1, 2], "ts": [moment(0), moment(1)], "value": [10, 20], **more}
    return pa.table(facts)


def labels(**more: Any) -> pa.Table:
    return pa.table({"account_id": ["2", "1", "3"], "at": [moment(2)] * 3, "y": [0, 1, 0], **more})


def test_every_type_comes_out_as_declared() -> None:
    types = {
        "a": (float, [1, None], pa.int64()),
        "b": (Decimal(2), ["0.10", "12345678901234567890.12"], pa.string()),
        "c": (Vector(2), [[1.0, 2.0], None], pa.list_(pa.float64())),
        "d": (str, ["x", None], pa.string()),
        "e": (bool, [True, False], pa.bool_()),
        "f": (datetime, ["2026-03-08", None], pa.string()),
    }
    source = profiles(**{name: pa.array(values, type_) for name, (_, values, type_) in types.items()})
    typed = view(fields=[Field(name, given) for name, (given, _, _) in types.items()])
    found = training_set(labels(), [typed], lambda view, columns: source, at="at")
    assert [found[f"profile.{field.name}"].type for field in typed.plain] == [f.dtype.arrow() for f in typed.plain]
    assert found["profile.c"].to_pylist() == [None, [1.0, 2.0], None]
    assert [str(one) for one in found["profile.b"].to_pylist()] == ["12345678901234567890.12", "0.10", "None"]
    spilled = training_set(labels(), [typed], lambda view, columns: source, at="at", memory=1)
    assert spilled.equals(found)
    assert spilled.schema == found.schema


def test_names_choose_features_in_their_order_and_only_their_columns_are_read() -> None:
    two = [view("one", fields=[Field("a"), Field("b")]), view("two", fields=[Field("c")]), view("three")]
    asked: dict[str, list[str]] = {}

    def read(view: FeatureView, columns: Sequence[str]) -> pa.Table:
        asked.setdefault(view.name, []).extend(columns)
        return profiles(a=[1.0, 2.0], b=[3.0, 4.0], c=[5.0, 6.0])

    found = training_set(labels(), two, read, at="at", names=["two.c", "one.b"])
    assert found.column_names == ["account_id", "at", "y", "two.c", "one.b"]
    assert found["one.b"].to_pylist() == [4.0, 3.0, None]
    assert asked == {"one": ["account_id", "b"], "two": ["account_id", "c"]}


@pytest.mark.parametrize("source", [ParquetSource, CsvSource])
def test_columns_read_a_few_at_a_time_are_those_read_at_once(source: type[ParquetSource | CsvSource]) -> None:
    wide = {f"c{place}": pa.array([place, None if place % 3 else -place], pa.int64()) for place in range(11)}
    rows = profiles(**wide)
    asked: list[int] = []

    def read(view: FeatureView, columns: Sequence[str]) -> pa.Table:
        asked.append(len(columns))
        return rows.select([*columns, "ts"])

    many = view(source=source("profiles", timestamp="ts"), fields=[Field(name, int) for name in wide])
    found = training_set(labels(), [many], read, at="at")
    whole = [[None if place % 3 else -place, place, None] for place in range(11)]
    assert [found[f"profile.{name}"].to_pylist() for name in wide] == whole
    assert max(asked) == (12 if source is CsvSource else 4)


def test_a_source_that_changes_while_it_is_read_is_refused() -> None:
    times = iter([stamps([0, 5], pa.timestamp("us")), stamps([0, 6], pa.timestamp("us"))])
    with pytest.raises(DataInvalid, match="was changed while it was read"):
        training_set(labels(), [view()], lambda view, columns: profiles(ts=next(times)), at="at")


def test_labels_keep_columns_types_and_metadata() -> None:
    odd = labels(at=pa.chunked_array([["2026-03-08T02:00:00Z"], ["2026-03-08", "2026-03-09"]]))
    odd = odd.replace_schema_metadata({"from": "the desk"})
    found = training_set(odd, [view()], lambda view, columns: profiles(), at="at")
    assert found.select(odd.column_names).equals(odd)
    assert found.schema.metadata == {b"from": b"the desk"}
    assert training_set(odd.slice(0, 0), [view()], lambda view, columns: profiles(), at="at").num_rows == 0


@pytest.mark.parametrize("memory", [1, 2**31])
def test_windowed_views_are_asked_for_the_aggregates_wanted(memory: int) -> None:
    spend = view("spend", fields=[agg.sum("value", "24h"), agg.count("24h"), agg.count("7d")])
    events = profiles(account_id=[1, 1])
    read: list[str] = []

    def reading(view: FeatureView, columns: Sequence[str]) -> pa.Table:
        read.extend(columns)
        return events

    names = ["profile.score", "spend.count_24h", "spend.sum_value_24h"]
    found = training_set(labels(), [spend, view()], reading, at="at", names=names, memory=memory)
    assert found.column_names == ["account_id", "at", "y", *names]
    assert set(read) == {"account_id", "value"}
    assert found["spend.count_24h"].to_pylist() == [0, 2, 0]
    assert found["spend.sum_value_24h"].to_pylist() == [None, 30, None]


@pytest.mark.parametrize("names", [["profile.scor"], ["score"], ["profile.score", "other.x"], ["profile.score"] * 2])
def test_names_that_are_none_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        training_set(labels(), [view()], lambda view, columns: profiles(), at="at", names=names)
    assert caught.value.faults[0].field == "names"
    assert "profile.score" in str(caught.value)


def refused(asked: pa.Table, source: pa.Table | None = None, at: str = "at", **changes: Any) -> str:
    source = profiles() if source is None else source
    with pytest.raises(DataInvalid) as caught:
        training_set(asked, [view(**changes)], lambda view, columns: source, at=at)
    assert all(fault.fix for fault in caught.value.faults)
    return f"{caught.value.faults[0].field}: {caught.value.faults[0].value}"


def test_bad_labels_are_refused() -> None:
    assert refused(labels(), at="when") == "when: missing"
    assert refused(labels(at=[1, 2, 3])) == "at: int64, such as 1"
    assert refused(labels(at=["2026-03-08", "soon", "later"])) == "at: 'soon'"
    assert refused(labels(at=["2026-03-08", None, "2026-03-08"])) == "at: null in row 1"
    assert refused(labels().drop(["account_id"])) == "account_id: missing"
    assert refused(labels(account_id=[1.0, 2.0, 3.0])) == "account_id: double"
    twice = labels().append_column("at", pa.array([moment(0)] * 3))
    assert refused(twice) == "at: 2 columns"


def test_bad_rows_are_refused() -> None:
    assert refused(labels(), profiles(value=["7", "seven"])) == "profile.score: 'seven'"
    assert refused(labels(), profiles(ts=["2026-03-08", "then"])) == "ts: 'then'"
    assert refused(labels(), profiles(seen=[1, 2]), created="seen") == "seen: int64, such as 1"
    assert refused(labels(), profiles(account_id=[True, False])) == "account_id: bool"
    assert refused(labels(), profiles().drop(["value"])) == "value: missing"
    assert refused(labels(), profiles().drop(["ts"])) == "ts: missing"


def test_columns_of_one_name_are_refused() -> None:
    clash = labels(**{"profile.score": [1, 2, 3]})
    with pytest.raises(InvalidInput, match=r"profile\.score"):
        training_set(clash, [view()], lambda view, columns: profiles(), at="at")
    with pytest.raises(InvalidInput, match=r"profile\.score"):
        training_set(labels(), [view(), view()], lambda view, columns: profiles(), at="at")
    with pytest.raises(InvalidInput, match="account_id"):
        days = labels(account_id=["2026-03-08"] * 3)
        training_set(days, [view()], lambda view, columns: profiles(), at="account_id")
    with pytest.raises(InvalidInput, match="memory"):
        training_set(labels(), [view()], lambda view, columns: profiles(), at="at", memory=0)
