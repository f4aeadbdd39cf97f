from __future__ import annotations

from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg
from tropism.registry import Registry
from tropism.registry.lineage_facts import facts_of, training_set_id

ACCOUNT = Entity("account", key="account_id")


def test_columns_of_a_source_come_from_all_views_of_it(registry: Registry) -> None:
    source = ParquetSource("p.parquet", timestamp="at", created="written_at")
    first = FeatureView("a", entity=ACCOUNT, source=source, fields=(Field("limit", Decimal(2)),))
    second = FeatureView("b", entity=ACCOUNT, source=source, fields=(Field("kind", str, column="segment"),))
    registry.features.apply([first, second], 1)
    found = facts_of(registry, [("source", "parquet:p.parquet")])
    assert found["source", "parquet:p.parquet"]["fields"] == [
        {"name": "account_id", "type": "text or integer"},
        {"name": "at", "type": "time"},
        {"name": "written_at", "type": "time"},
        {"name": "limit", "type": "decimal(2)"},
        {"name": "segment", "type": "text"},
    ]


def test_aggregates_have_the_type_that_they_give(registry: Registry) -> None:
    stream = StreamSource("s", timestamp="at", schema={"account_id": str, "amount": int})
    fields = (agg.sum("amount", "1h"), agg.mean("amount", "1h"), agg.distinct("amount", "1h"))
    file = ParquetSource("p.parquet", timestamp="at")
    registry.features.apply(
        [
            FeatureView("a", entity=ACCOUNT, source=stream, fields=fields),
            FeatureView("b", entity=ACCOUNT, source=file, fields=(agg.max("amount", "1h"), agg.count("1h"))),
        ],
        1,
    )
    found = facts_of(registry, [("view", "a@1"), ("view", "b@1")])
    assert [field["type"] for field in found["view", "a@1"]["fields"]] == ["text", "integer", "number", "integer"]
    assert [field["type"] for field in found["view", "b@1"]["fields"]] == ["text or integer", "as amount", "integer"]


def test_what_nobody_knows_has_no_facts(registry: Registry) -> None:
    assert facts_of(registry, [("view", "gone@1"), ("view", "odd"), ("model", "x/1"), ("source", "y")]) == {}


def test_training_sets_without_a_digest_are_told_apart_by_what_is_known() -> None:
    one, other = training_set_id("t", {"rows": 1}), training_set_id("t", {"rows": 2})
    assert one != other
    assert training_set_id("t", {"rows": 1}) == one
