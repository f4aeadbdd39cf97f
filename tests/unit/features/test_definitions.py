from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from tropism.core.errors import InvalidInput
from tropism.features import (
    CsvSource,
    Decimal,
    DeltaSource,
    Entity,
    FeatureView,
    Field,
    LakeSource,
    ParquetSource,
    SqlSource,
    StreamSource,
    Vector,
    agg,
    on_demand,
)
from tropism.features.types import dtype

ACCOUNT = Entity("account", key="account_id")
PAYMENTS = StreamSource(
    "payments",
    timestamp="at",
    created="seen",
    schema={"account_id": str, "amount": Decimal(2), "merchant": str, "card": "boolean"},
)


def view(**changes: Any) -> FeatureView:
    facts: dict[str, Any] = {"name": "spend", "entity": ACCOUNT, "source": PAYMENTS, "fields": [agg.count("7d")]}
    return FeatureView(**{**facts, **changes})


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert all(fault.fix for fault in caught.value.faults)
    return caught.value.faults[0].field


def test_types_are_written_as_in_python_and_stored_by_name() -> None:
    names = [Field("a", given).type for given in (float, int, str, bool, datetime.datetime, Decimal(2), Vector(3))]
    assert names == ["number", "integer", "text", "boolean", "time", "decimal(2)", "vector(3)"]
    assert dtype("decimal(2)").arrow() == pa.decimal128(38, 2)
    assert dtype("vector(3)").arrow() == pa.list_(pa.float32(), 3)
    assert dtype("time").arrow() == pa.timestamp("us", "UTC")


@pytest.mark.parametrize("given", [list, "floaty", "decimal(19)", "decimal(-1)", "vector(0)", Vector(10**6), None, []])
def test_a_type_that_does_not_exist_is_refused(given: Any) -> None:
    assert refused(lambda: Field("a", given)) == "type"


def test_aggregates_name_themselves_and_choose_their_hop() -> None:
    fields = [agg.sum("amount", "24h"), agg.count("7d"), agg.distinct("merchant", "30d"), agg.last("amount", "1h")]
    found = view(fields=fields)
    assert found.names == ("sum_amount_24h", "count_7d", "distinct_merchant_30d", "last_amount_1h")
    assert [one.hop for one in found.aggregations] == ["30m", "6h", "1d", "5m"]
    assert agg.sum("amount", "24h", hop="1h", name="spent").name == "spent"


def test_aggregates_have_the_type_of_what_they_say() -> None:
    money, text = dtype("decimal(2)"), dtype("text")
    assert agg.sum("amount", "1h").result(money) == money
    assert agg.mean("amount", "1h").result(money).kind == "number"
    assert agg.distinct("merchant", "1h").result(text).kind == "integer"
    assert agg.last("merchant", "1h").result(text) == text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Spend"}, "name"),
        ({"fields": []}, "fields"),
        ({"fields": [agg.count("1h"), Field("amount", Decimal(2))]}, "fields"),
        ({"fields": [agg.count("1h"), agg.count("1h")]}, "fields"),
        ({"fields": [agg.sum("merchant", "1h")]}, "fields.sum_merchant_1h"),
        ({"fields": [agg.max("card", "1h")]}, "fields.max_card_1h"),
        ({"fields": [agg.sum("amonut", "1h")]}, "fields.sum_amonut_1h"),
        ({"fields": [Field("amount", float)]}, "fields.amount.type"),
        ({"ttl": "-1d"}, "ttl"),
        ({"ttl": "0"}, "ttl"),
        ({"every": "often"}, "every"),
        ({"known": "later"}, "known"),
        ({"entity": Entity("shop", key="shop_id")}, "schema.shop_id"),
        ({"entity": Entity("card", key="card")}, "schema.card"),
    ],
)
def test_a_view_that_cannot_be_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    assert refused(lambda: view(**changes)) == field


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: agg.sum("", "1h"), "column"),
        (lambda: agg.count("1h", column="a"), "column"),
        (lambda: agg.count("an hour"), "window"),
        (lambda: agg.count("1h", hop="2h"), "hop"),
        (lambda: agg.count("1h", name="Count!"), "name"),
        (lambda: Entity("account", key=()), "key"),
        (lambda: Entity("account", key=("a", "a")), "key"),
        (lambda: ParquetSource("", timestamp="at"), "path"),
        (lambda: CsvSource("a.csv", timestamp=""), "timestamp"),
        (lambda: DeltaSource("a", timestamp="at", created="at"), "created"),
        (lambda: SqlSource("", "table", timestamp="at"), "url"),
        (lambda: LakeSource("", timestamp="at"), "table"),
        (lambda: StreamSource("s", timestamp="at", schema={"at": str}), "schema.at"),
        (lambda: StreamSource("S!", timestamp="at", schema={}), "name"),
    ],
)
def test_parts_that_cannot_be_are_refused_by_field(make: Callable[[], object], field: str) -> None:
    assert refused(make) == field


@pytest.mark.parametrize(
    "source",
    [
        PAYMENTS,
        ParquetSource("a/*.parquet", timestamp="at", created="seen"),
        CsvSource("a.csv", timestamp="at"),
        DeltaSource("a", timestamp="at"),
        SqlSource("sqlite:///a.db", "events", timestamp="at"),
        LakeSource("outcomes", timestamp="at"),
    ],
)
def test_views_are_the_same_after_they_were_stored(source: Any) -> None:
    found = view(source=source, ttl="30d", tags={"team": "risk"})
    stored = msgspec.json.decode(msgspec.json.encode(found), type=FeatureView)
    assert stored == found
    assert stored.fingerprint == found.fingerprint


def test_a_fingerprint_changes_with_the_values_and_not_with_what_is_said_of_them() -> None:
    found = view()
    assert view(owner="ann", description="of accounts", tags={"a": "b"}, every="1h").fingerprint == found.fingerprint
    told = msgspec.structs.replace(ACCOUNT, description="who pays")
    wider = msgspec.structs.replace(PAYMENTS, schema={**PAYMENTS.schema, "shop": "text"})
    assert view(entity=told, source=wider).fingerprint == found.fingerprint
    others = [view(ttl="1d"), view(known="event"), view(fields=[agg.count("7d", hop="1d")]), view(name="other")]
    assert len({found.fingerprint, *(one.fingerprint for one in others)}) == 5


def test_on_demand_features_keep_their_version_when_they_are_moved() -> None:
    first = on_demand(lambda f, request: request["amount"] / f["spend.mean"], name="ratio")

    second = on_demand(lambda f, request: request["amount"] / f["spend.mean"], name="ratio")
    other = on_demand(lambda f, request: request["amount"] * f["spend.mean"], name="ratio")
    assert first.version == second.version
    assert first.version != other.version


def test_on_demand_features_miss_what_they_are_computed_from() -> None:
    ratio = on_demand(lambda f, request: request["amount"] / f["spend.mean"], name="ratio")
    assert ratio.compute({"spend.mean": 4.0}, {"amount": 2}) == 0.5
    assert ratio.compute({"spend.mean": None}, {"amount": 2}) is None
    assert ratio.compute({"spend.mean": 0.0}, {"amount": 2}) is None
    assert refused(lambda: ratio.compute({}, {"amount": 2})) == "on_demand.ratio"
    assert refused(lambda: ratio.compute({"spend.mean": "x"}, {"amount": 2})) == "on_demand.ratio"
    assert refused(lambda: on_demand(lambda f, request: "x", name="a").compute({}, {})) == "on_demand.a"
    assert refused(lambda: on_demand(abs, name="a")) == "function"  # type: ignore[arg-type]
