from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text, update

from tropism.core.errors import Conflict, IntegrityError, InvalidInput, NotFound, TropismError, UnknownVersion
from tropism.core.task import Feature, Task
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, SqlSource, StreamSource, agg, on_demand
from tropism.registry import Plan, Registry
from tropism.registry.feature_plan import Definition
from tropism.storage.tables import Database
from tropism.storage.tables.migrations.versions import features as added
from tropism.storage.tables.migrations.versions import initial
from tropism.storage.tables.revision import TABLE
from tropism.storage.tables.schema import feature_definitions

ACCOUNT = Entity("account", key="account_id")
COLUMNS: dict[str, Any] = {"account_id": str, "amount": Decimal(2), "merchant": str}
PAYMENTS = StreamSource("payments", timestamp="at", schema=COLUMNS)
RATIO = on_demand(lambda f, request: request["amount"] / f["spend.count_7d"], name="ratio")


def spend(**changes: Any) -> FeatureView:
    fields = [agg.sum("amount", "24h"), agg.count("7d")]
    facts: dict[str, Any] = {"name": "spend", "entity": ACCOUNT, "source": PAYMENTS, "fields": fields}
    return FeatureView(**(facts | changes))


def profile(**changes: Any) -> FeatureView:
    source = ParquetSource("profiles/*.parquet", timestamp="updated_at")
    fields = [Field("segment", str), Field("limit", Decimal(2))]
    facts: dict[str, Any] = {"name": "profile", "entity": ACCOUNT, "source": source, "fields": fields, "ttl": "30d"}
    return FeatureView(**(facts | changes))


def said(plan: Plan) -> list[str]:
    return [f"{one.action} {one.kind} {one.name}@{one.version}" for one in plan.changes]


def refused(act: Callable[[], object]) -> TropismError:
    with pytest.raises(Conflict) as caught:
        act()
    assert all(fault.fix for fault in caught.value.faults)
    return caught.value


def states(registry: Registry) -> dict[str, str]:
    return {one.storage_name: one.state for one in registry.features.serving()}


def test_definitions_come_back_as_they_were_applied(registry: Registry) -> None:
    views = [spend(owner="ann", tags={"team": "risk"}), profile()]
    plan = registry.features.apply([*views, RATIO], 5, actor="ann")
    assert said(plan) == [
        "create entity account@1",
        "create stream payments@1",
        "create view profile@1",
        "create view spend@1",
        "create on-demand ratio@1",
    ]
    live = registry.features.live()
    assert [(one.storage_name, one.created_at, one.actor) for one in live] == [
        ("profile@1", 5, "ann"),
        ("spend@1", 5, "ann"),
    ]
    assert [one.view for one in live] == [views[1], views[0]]
    assert registry.features.get("spend") == registry.features.get("spend", 1) == live[1]
    assert live[1].fingerprint == views[0].fingerprint
    stored = registry.features.find("on-demand", "ratio")
    facts = {"name": "ratio", "type": "number", "description": "", "version": RATIO.version}
    assert stored.spec == facts | {"reads": ["spend.count_7d"]}


def test_a_plan_changes_nothing(registry: Registry) -> None:
    assert not registry.features.plan([spend()]).empty
    assert registry.features.list() == ()
    assert registry.audit.head().seq == 0


def test_applying_the_same_again_changes_nothing(registry: Registry) -> None:
    registry.features.apply([spend(), RATIO], 1)
    before = registry.features.list(), registry.audit.head(), registry.aliases.generation()
    plan = registry.features.apply([RATIO, spend()], 2)
    assert plan.empty
    assert {one.action for one in plan.changes} == {"same"}
    assert (registry.features.list(), registry.audit.head(), registry.aliases.generation()) == before


def test_a_changed_view_is_a_new_version_and_the_old_one_serves_until_it_is_dropped(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    plan = registry.features.apply([spend(ttl="90d")], 2)
    assert said(plan)[-1] == "version view spend@2"
    assert [(one.field, one.a, one.b) for one in plan.changes[-1].differences] == [("ttl", None, "90d")]
    assert states(registry) == {"spend@1": "old", "spend@2": "live"}
    assert [one.storage_name for one in registry.features.live()] == ["spend@2"]
    registry.features.drop("spend", 1, 3)
    registry.features.drop("spend", 1, 4)
    assert states(registry) == {"spend@2": "live"}
    assert registry.features.get("spend", 1).state == "dropped"
    assert registry.features.get("spend", 1).view.ttl is None


def test_fields_are_compared_by_name_and_their_order_counts(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    hourly = registry.features.plan([spend(fields=[agg.sum("amount", "24h", hop="1h"), agg.count("7d")])])
    assert [(one.field, one.a, one.b) for one in hourly.changes[-1].differences] == [
        ("fields.sum_amount_24h.hop", "30m", "1h")
    ]
    turned = registry.features.plan([spend(fields=[agg.count("7d"), agg.sum("amount", "24h")])]).changes[-1]
    assert (turned.action, turned.differences[0].b) == ("version", ["count_7d", "sum_amount_24h"])


@pytest.mark.parametrize("words", [{"owner": "bob"}, {"description": "d"}, {"tags": {"a": "b"}}, {"every": "6h"}])
def test_what_is_said_about_a_view_makes_no_version(registry: Registry, words: dict[str, Any]) -> None:
    registry.features.apply([spend()], 1)
    assert said(registry.features.apply([spend(**words)], 2))[-1] == "describe view spend@1"
    kept = registry.features.get("spend")
    assert (kept.version, kept.view, kept.created_at) == (1, spend(**words), 1)


def test_a_dropped_number_is_not_used_again(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    registry.features.drop("spend", 1, 2)
    assert registry.features.live() == ()
    assert said(registry.features.apply([spend()], 3))[-1] == "create view spend@2"


def test_what_is_gone_from_the_project_is_kept_until_it_is_dropped(registry: Registry) -> None:
    registry.features.apply([spend(), profile(), RATIO], 1)
    plan = registry.features.apply([profile()], 2)
    assert said(plan) == [
        "same entity account@1",
        "gone stream payments@1",
        "same view profile@1",
        "gone view spend@1",
        "gone on-demand ratio@1",
    ]
    assert plan.empty
    assert states(registry) == {"profile@1": "live", "spend@1": "live"}
    assert [fault.fix for fault in refused(lambda: registry.features.drop("payments", 1, 3, kind="stream")).faults] == [
        "first drop spend@1"
    ]
    registry.features.drop("spend", 1, 3)
    registry.features.drop("payments", 1, 3, kind="stream")
    refused(lambda: registry.features.drop("account", 1, 3, kind="entity"))


def test_only_views_serve_old_versions(registry: Registry) -> None:
    registry.features.apply([RATIO], 1)
    other = on_demand(lambda f, request: request["amount"] * f["spend.count_7d"], name="ratio")
    assert said(registry.features.apply([other], 2)) == ["version on-demand ratio@2"]
    assert [(one.version, one.state) for one in registry.features.list()] == [(2, "live")]


def test_a_key_that_served_views_are_read_by_is_not_changed(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    registry.features.apply([spend(ttl="90d")], 2)
    changed = StreamSource("payments", timestamp="at", schema=COLUMNS | {"card_id": str})
    again = spend(entity=Entity("account", key="card_id"), source=changed)
    error = refused(lambda: registry.features.apply([again], 3))
    (fault,) = error.faults
    assert fault.field == "entity.account.key"
    assert fault.value == "['card_id'], it was ['account_id']"
    assert fault.fix.endswith("tropism features drop spend 1; tropism features drop spend 2")
    assert states(registry) == {"spend@1": "old", "spend@2": "live"}
    for version in (1, 2):
        registry.features.drop("spend", version, 4)
    assert said(registry.features.apply([again], 5))[0] == "version entity account@2"


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ({"account_id": str, "merchant": str}, "missing, it was decimal(2)"),
        (COLUMNS | {"amount": float}, "number, it was decimal(2)"),
    ],
)
def test_a_stream_keeps_the_columns_that_served_views_use(
    registry: Registry, columns: dict[str, Any], value: str
) -> None:
    registry.features.apply([spend()], 1)
    stream = StreamSource("payments", timestamp="at", schema=columns)
    counted = spend(source=stream, fields=[agg.count("7d")])
    faults: list[tuple[str, str]] = []
    for declared in ([counted], [stream]):
        (fault,) = refused(lambda declared=declared: registry.features.plan(declared)).faults  # type: ignore[misc]
        faults.append((fault.field, fault.value))
    assert faults == [("stream.payments.schema.amount", value)] * 2
    registry.features.drop("spend", 1, 2)
    registry.features.apply([counted], 3)


def test_a_stream_may_lose_a_column_that_no_view_uses(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    less = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
    assert "version stream payments@2" in said(registry.features.apply([spend(source=less)], 2))


@pytest.mark.parametrize(
    ("declared", "field", "word"),
    [
        ([spend(), spend(ttl="1d")], "view.spend", "ttl"),
        ([spend(), Entity("account", key=("account_id", "bank"))], "entity.account", "key"),
        ([PAYMENTS, spend(source=StreamSource("payments", timestamp="t", schema=COLUMNS))], "stream.payments", "time"),
        ([RATIO, on_demand(lambda f, request: 1.0, name="ratio")], "on-demand.ratio", "version"),
    ],
    ids=["view", "entity", "stream", "on-demand"],
)
def test_two_definitions_of_one_name_are_refused(
    registry: Registry, declared: list[Definition], field: str, word: str
) -> None:
    error = refused(lambda: registry.features.apply(declared, 1))
    assert error.message == "two definitions have one name"
    assert error.faults[0].field == field
    assert word in error.faults[0].fix
    assert registry.features.list() == ()


def test_a_value_of_a_wrong_type_is_named(registry: Registry) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry.features.plan([profile(owner=5)])
    assert caught.value.faults[0].field == "owner"


def test_a_plan_that_somebody_agreed_to_is_what_is_done(registry: Registry) -> None:
    agreed = registry.features.plan([spend()])
    registry.features.apply([spend(ttl="1d")], 1)
    error = refused(lambda: registry.features.apply([spend()], 2, expected=agreed))
    assert "since the plan was made" in error.message
    agreed = registry.features.plan([spend()])
    assert registry.features.apply([spend()], 3, expected=agreed) == agreed


def test_every_change_leaves_an_audit_row_and_moves_the_generation_once(registry: Registry) -> None:
    registry.features.apply([spend()], 1, actor="ann")
    assert registry.aliases.generation() == 1
    registry.features.apply([spend(ttl="1d")], 2, actor="bob")
    registry.features.drop("spend", 1, 3, actor="eve")
    assert registry.aliases.generation() == 3
    rows = [(one.actor, one.action, one.subject) for one in reversed(registry.audit.list())]
    assert rows == [
        ("ann", "feature.applied", "account"),
        ("ann", "feature.applied", "payments"),
        ("ann", "feature.applied", "spend"),
        ("bob", "feature.applied", "spend"),
        ("eve", "feature.dropped", "spend"),
    ]
    detail = msgspec.json.decode(registry.audit.list()[1].detail)
    fingerprint = spend(ttl="1d").fingerprint
    facts = {"kind": "view", "status": "changed", "version": 2, "generation": 2, "fingerprint": fingerprint}
    assert detail == facts
    assert registry.audit.verify() == ()


def test_what_there_is_not_is_named(registry: Registry) -> None:
    with pytest.raises(NotFound) as nothing:
        registry.features.get("spend")
    assert "declare it" in nothing.value.faults[0].fix
    registry.features.apply([spend()], 1)
    with pytest.raises(NotFound) as other:
        registry.features.get("spent")
    assert other.value.faults[0].fix == "use one of: spend"
    for number in (0, 2, 10**30):
        with pytest.raises(UnknownVersion) as version:
            registry.features.drop("spend", number, 2)
        assert version.value.faults[0].fix == "use one of: 1"


def test_a_stored_definition_that_does_not_decode_is_named(registry: Registry) -> None:
    registry.features.apply([profile()], 1)
    with registry.db.begin() as connection:
        connection.execute(update(feature_definitions).where(feature_definitions.c.kind == "view").values(spec={}))
    with pytest.raises(IntegrityError, match="profile@1"):
        registry.features.live()


def test_lineage_is_followed_both_ways_and_through_rings(registry: Registry) -> None:
    registry.features.apply([spend(), profile()], 1)
    links = [
        ("view", "spend@1", "training-set", "ts-1"),
        ("view", "profile@1", "training-set", "ts-1"),
        ("training-set", "ts-1", "model", "payments/1"),
        ("training-set", "ts-1", "model", "payments/2"),
    ]
    for at, link in enumerate([*links, *links], 10):
        registry.features.link(*link, now=at)
    down = registry.features.lineage("source", "stream:payments")
    assert [(one.from_id, one.to_id, one.at) for one in down] == [
        ("stream:payments", "spend@1", 1),
        ("spend@1", "ts-1", 10),
        ("ts-1", "payments/1", 12),
        ("ts-1", "payments/2", 13),
    ]
    up = registry.features.lineage("model", "payments/1", "up")
    assert {(one.from_kind, one.from_id) for one in up} == {
        ("source", "stream:payments"),
        ("source", "parquet:profiles/*.parquet"),
        ("view", "spend@1"),
        ("view", "profile@1"),
        ("training-set", "ts-1"),
    }
    assert registry.features.lineage("model", "payments/1") == ()
    registry.features.link("model", "payments/1", "source", "stream:payments", 20)
    assert len(registry.features.lineage("view", "spend@1")) == 5


def test_the_password_of_a_source_is_not_in_its_lineage(registry: Registry) -> None:
    source = SqlSource(url="postgresql://ann:secret@db/shop", query="profiles", timestamp="t")
    registry.features.apply([profile(source=source)], 1)
    (link,) = registry.features.lineage("view", "profile@1", "up")
    assert link.from_id == "sql:postgresql://ann:***@db/shop profiles"


def test_many_apply_at_once_and_one_version_comes_of_it(registry: Registry) -> None:
    registry.features.apply([spend()], 1)
    threads = [
        threading.Thread(target=registry.features.apply, args=([spend(ttl="1d"), profile()], 2)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(registry) == {"profile@1": "live", "spend@1": "old", "spend@2": "live"}
    assert registry.aliases.generation() == 2
    assert registry.audit.verify() == ()


def test_an_older_database_gets_the_tables_and_keeps_its_rows(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    with database.exclusive() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": TABLE})
        with Operations.context(context):
            initial.upgrade()
        connection.execute(text(f"CREATE TABLE {TABLE} (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text(f"INSERT INTO {TABLE} VALUES ('{added.down_revision}')"))
    registry = Registry(database, blobs=None)  # type: ignore[arg-type]
    task = Task(name="price", kind="binary", target="y", features=(Feature("a"),))
    registry.tasks.apply(task, 1)
    database.migrate()
    registry.features.apply([spend()], 2)
    assert registry.tasks.all() == (task,)
    assert states(registry) == {"spend@1": "live"}
    database.dispose()
