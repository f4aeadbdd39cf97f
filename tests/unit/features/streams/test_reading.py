from __future__ import annotations

import datetime
import decimal
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput
from tropism.core.events import Push, decode, encode
from tropism.features import Decimal, StreamSource, Vector
from tropism.features.checks import AnyRule, rule
from tropism.features.keys import key_text
from tropism.features.streams import EventReader, events_table, lake_schema

NOW = 1_700_000_000 * SECOND
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
SCHEMA = {
    "account_id": str,
    "amount": Decimal(2),
    "score": float,
    "visits": int,
    "merchant": str,
    "online": bool,
    "seen": datetime.datetime,
    "embedding": Vector(2),
}
EVENT = {"account_id": "a-17", "amount": "12.30", "at": NOW}


def payments(**more: Any) -> StreamSource:
    return StreamSource(name="payments", timestamp="at", schema=SCHEMA, **more)


def reader(**more: Any) -> EventReader:
    return EventReader(payments(**more), keys=("account_id",))


def read(event: Any, **more: Any) -> dict[str, Any]:
    """The one event, by column."""
    made = reader(**more)
    return dict(zip(made.names, made.read([event], NOW, 0).rows[0], strict=True))


def refused(*events: Any, **more: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        reader(**more).read(events, NOW, 60 * SECOND)
    assert all(fault.fix for fault in caught.value.faults)
    return caught.value


def test_the_columns_are_those_of_the_schema_without_the_arrival() -> None:
    assert reader().names == (*SCHEMA, "at")
    assert EventReader(payments(created="written")).names == (*SCHEMA, "at")


def test_what_is_left_out_is_null() -> None:
    assert reader().read([EVENT], NOW, 0).rows == [("a-17", "12.30", None, None, None, None, None, None, NOW)]
    assert read({**EVENT, "amount": None})["amount"] is None


@pytest.mark.parametrize(
    ("column", "sent", "kept"),
    [
        ("score", 3, 3.0),
        ("score", decimal.Decimal("0.1"), 0.1),
        ("score", -1e308, -1e308),
        ("visits", 2**63 - 1, 2**63 - 1),
        ("visits", -(2**63), -(2**63)),
        ("merchant", "", ""),
        ("merchant", "é" * 1_024, "é" * 1_024),
        ("online", False, False),
        ("seen", "1970-01-01", 0),
        ("seen", "1970-01-01T00:00:01", SECOND),
        ("seen", "1970-01-01T02:00:00.000001+02:00", 1),
        ("seen", "9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("seen", -62_135_596_800_000_000, -62_135_596_800_000_000),
        ("amount", 7, "7.00"),
        ("amount", 0.1, "0.10"),
        ("amount", "-.5", "-0.50"),
        ("amount", "-0", "0.00"),
        ("amount", "1e3", "1000.00"),
        ("amount", "5.100", "5.10"),
        ("amount", "9" * 36 + ".99", "9" * 36 + ".99"),
        ("amount", decimal.Decimal("12345678901234567.89"), "12345678901234567.89"),
        ("embedding", [1, decimal.Decimal("0.5")], [1.0, 0.5]),
        ("embedding", [0.1, -0.0], [struct.unpack("f", struct.pack("f", 0.1))[0], -0.0]),
    ],
)
def test_values_are_read_as_their_type(column: str, sent: Any, kept: Any) -> None:
    found = read({**EVENT, column: sent})[column]
    assert (found, type(found)) == (kept, type(kept))


TOO_MUCH = ["1e99999", "0." + "0" * 200, math.inf, 1e37, 10**40, decimal.Decimal("inf"), decimal.Decimal("0.001")]
UNFIT: dict[str, list[Any]] = {
    "score": ["3", True, math.inf, math.nan, 10**400, [1.0], decimal.Decimal("sNaN")],
    "visits": [2**63, -(2**63) - 1, 1.0, True, "1", 10**5_000, decimal.Decimal(1)],
    "merchant": ["x" * 1_025, 5, True, {}, "\ud800", "\udc00\ud800"],
    "online": [0, 1, "true", 1.0],
    "seen": ["yesterday", "", 1.5, True, 2**60, "0001-01-01T00:00+14:00", -(2**60)],
    "amount": ["12.345", 0.123, "1" * 37, "NaN", "inf", "1_0", " 1", "\u0661", "", True, [], *TOO_MUCH],
    "embedding": [[1.0], [1.0, 2.0, 3.0], [1.0, math.nan], [1.0, 1e39], [1.0, True], [1.0, None], {}, [1.0, 10**400]],
}


@pytest.mark.parametrize(
    ("column", "sent"),
    [(column, value) for column, values in UNFIT.items() for value in values],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_another_type_is_refused_where_it_stands(column: str, sent: Any) -> None:
    error = refused(EVENT, {**EVENT, column: sent})
    assert [fault.field for fault in error.faults] == [f"events[1].{column}"]
    assert error.faults[0].fix.startswith("send ")
    assert len(error.faults[0].value) <= 80


@pytest.mark.parametrize("key", [None, "", "x" * 513, 5, True, "\ud800"])
def test_a_key_is_never_missing_nor_empty(key: Any) -> None:
    error = refused({**EVENT, "account_id": key})
    assert error.faults[0].field == "events[0].account_id"
    if key is None:
        assert error.message == "'account_id' is null"
        assert "the key of an entity is never null" in error.faults[0].fix


def test_the_longest_key_is_one_for_every_store() -> None:
    row = read({**EVENT, "account_id": "é" * 512})
    assert key_text(("account_id",), row) == "é" * 512


def test_the_timestamp_is_never_missing() -> None:
    error = refused({"account_id": "a"})
    assert (error.message, error.faults[0].field) == ("'at' is missing", "events[0].at")


def test_an_event_from_the_future_is_refused() -> None:
    assert reader().read([{**EVENT, "at": NOW + 60 * SECOND}], NOW, 60 * SECOND).rows
    error = refused({**EVENT, "at": NOW + 60 * SECOND + 1})
    assert error.message == "'at' is from the future"
    assert "2023-11-14T22:13:20Z" in error.faults[0].fix
    assert read({**EVENT, "seen": NOW + 3_600 * SECOND})["seen"] > NOW, "only the timestamp says when it happened"


def test_an_unknown_field_is_refused_and_the_right_one_named() -> None:
    error = refused({**EVENT, "amuont": 1}, {**EVENT, "zzz": 1}, {**EVENT, "arrived_at": NOW})
    assert [fault.field for fault in error.faults] == ["events[0].amuont", "events[1].zzz", "events[2].arrived_at"]
    assert error.faults[0].fix == "did you mean 'amount'?"
    assert "the columns are: account_id, amount" in error.faults[1].fix
    assert "the platform writes it" in error.faults[2].fix


def test_an_event_is_an_object() -> None:
    error = refused(5, None, [EVENT])
    assert [(fault.field, fault.value) for fault in error.faults] == [
        ("events[0]", "5"),
        ("events[1]", "null"),
        ("events[2]", "a list"),
    ]


def test_all_faults_are_told_up_to_a_limit() -> None:
    error = refused({"account_id": None, "amount": "x", "visits": 1.5}, EVENT, *[{**EVENT, "visits": "1"}] * 60)
    assert error.message == "'account_id' is null, and 63 more faults"
    assert [fault.field for fault in error.faults[:4]] == [
        "events[0].account_id",
        "events[0].amount",
        "events[0].visits",
        "events[0].at",
    ]
    assert len(error.faults) == 51
    assert error.faults[-1].fix == "14 more faults are not listed"
    unknown = refused({**EVENT, **{f"x{number}": 1 for number in range(60)}}, {**EVENT, "visits": "1"})
    assert unknown.message == 'there is no column "x0", and 60 more faults'
    assert unknown.faults[-1].fix == "11 more faults are not listed"


def test_the_place_is_told_as_the_sender_knows_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        reader().read([5], NOW, 0, where="kafka payments:3, message 17 ")
    assert caught.value.faults[0].field == "kafka payments:3, message 17 [0]"


def test_a_rule_that_stops_refuses_everything_and_names_value_and_event() -> None:
    rules = (rule.range("amount", 0, policy="stop"), rule.one_of("merchant", ["a"], policy="reject"))
    error = refused(EVENT, {**EVENT, "amount": "-1.5"}, {**EVENT, "merchant": "b"}, rules=rules)
    assert "range of 'amount'" in error.message
    assert [(fault.field, fault.value) for fault in error.faults] == [("events[1].amount", '"-1.5"')]


def test_rules_leave_out_take_out_and_count() -> None:
    rules = (
        rule.range("amount", 0, policy="reject"),
        rule.range("score", maximum=1, policy="null"),
        rule.matches("merchant", "[a-z]+"),
        rule.null_rate("score", 0.5, policy="stop"),
    )
    made = reader(rules=rules)
    events = [
        {**EVENT, "amount": -0.01, "merchant": "A"},
        {**EVENT, "score": 2, "merchant": "a"},
        {**EVENT, "merchant": "B"},
        EVENT,
    ]
    rows, failures, rejected = made.read(events, NOW, 0)
    assert [dict(zip(made.names, row, strict=True))["score"] for row in rows] == [None, None, None]
    assert [row[4] for row in rows] == ["a", "B", None]
    assert [(one.index, one.rule, one.value) for one in rejected] == [(0, "range of 'amount'", "-0.01")]
    assert [(policy, value) for _, policy, value in failures] == [
        ("reject", "-0.01"),
        ("warn", '"A"'),
        ("null", "2"),
        ("warn", '"B"'),
    ]
    assert msgspec.json.decode(failures[0][0], type=AnyRule) == rules[0]


def test_rules_see_moments_and_exact_decimals() -> None:
    rules = (
        rule.range("seen", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), policy="reject"),
        rule.range("amount", maximum=0.1, policy="reject"),
        rule.range("arrived_at", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), policy="stop"),
    )
    events = [{**EVENT, "amount": "0.10", "seen": seen} for seen in ("2019-12-31T23:59:59Z", "2020-01-01")]
    read = reader(rules=rules).read(events, NOW, 0)
    assert [one.index for one in read.rejected] == [0]
    assert len(read.rows) == 1


@pytest.mark.parametrize(
    "taken_out", [rule.one_of("account_id", ["b"], policy="null"), rule.range("at", EPOCH, EPOCH, policy="null")]
)
def test_an_event_whose_key_or_time_a_rule_takes_out_is_left_out(taken_out: Any) -> None:
    rows, failures, rejected = reader(rules=(taken_out,)).read([EVENT], NOW, 0)
    assert (rows, [one.rule for one in rejected]) == ([], [taken_out.title])
    assert len(failures) == 1


def test_a_rule_for_another_type_is_told_with_its_event() -> None:
    error = refused({**EVENT, "merchant": "b"}, rules=(rule.range("merchant", 0),))
    assert error.faults[0].field == "events[0]: merchant"
    assert "for another type" in error.message


moments = st.integers(-62_135_596_800_000_000, NOW)
sent: dict[str, st.SearchStrategy[Any]] = {
    "account_id": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    "amount": st.decimals(-(10**36) + 1, 10**36 - 1, places=2, allow_nan=False).flatmap(
        lambda one: st.sampled_from([one, format(one, "f"), str(one)])
    ),
    "score": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80),
    "visits": st.integers(-(2**63), 2**63 - 1),
    "merchant": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "online": st.booleans(),
    "seen": moments | moments.map(lambda at: (EPOCH + datetime.timedelta(microseconds=at)).isoformat()),
    "embedding": st.lists(st.floats(-1e38, 1e38, width=64), min_size=2, max_size=2),
    "at": moments,
}
events = st.fixed_dictionaries(
    {name: sent[name] for name in ("account_id", "at")},
    optional={name: st.none() | one for name, one in sent.items() if name not in ("account_id", "at")},
)


def meant(column: str, value: Any) -> Any:
    """A value as it was sent, as the lake should give it back."""
    if value is None:
        return None
    if column == "amount":
        return decimal.Decimal(value)
    if column == "score":
        return float(value)
    if column == "embedding":
        return [struct.unpack("f", struct.pack("f", one))[0] for one in value]
    if column in ("seen", "at"):
        if isinstance(value, str):
            return datetime.datetime.fromisoformat(value)
        return EPOCH + datetime.timedelta(microseconds=value)
    return value


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(events, max_size=5))
def test_what_is_accepted_reaches_the_lake_without_loss(batch: list[dict[str, Any]]) -> None:
    made = reader()
    rows, _, _ = made.read(batch, NOW, 0)
    push = Push(source="payments", received=NOW, names=made.names, rows=rows)
    (back,) = decode(encode(push))
    assert isinstance(back, Push)
    table = events_table(made.source, [(back, "w1", 7, 3)], NOW + 5)
    assert table.schema == lake_schema(made.source)
    assert [{column: row[f"c_{column}"] for column in made.names} for row in table.to_pylist()] == [
        {column: meant(column, event.get(column)) for column in made.names} for event in batch
    ]
    for event in batch:
        assert key_text(("account_id",), event) == event["account_id"]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals()
    | st.sampled_from(["1.5", "1e400", "2023-11-14", 10**400, NOW]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*sent, "x"]), inner, max_size=9),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from([*sent, "x"]), anything, max_size=9) | anything, max_size=3))
def test_anything_is_kept_whole_or_refused(batch: list[Any]) -> None:
    made = reader()
    try:
        rows, failures, rejected = made.read(batch, NOW, 0)
    except InvalidInput as error:
        assert error.faults
        assert all(fault.field and fault.fix for fault in error.faults[:50])
        return
    assert (len(rows), failures, rejected) == (len(batch), [], [])
    (push,) = decode(encode(Push(source="payments", received=NOW, names=made.names, rows=rows)))
    assert isinstance(push, Push)
    assert len(events_table(made.source, [(push, "w", 1, 0)], NOW)) == len(batch)
