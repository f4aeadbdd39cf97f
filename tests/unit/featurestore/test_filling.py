from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.clock import DAY, ManualClock, from_datetime
from tropism.core.errors import DataInvalid, InvalidInput, UnknownFeature
from tropism.features import Entity, FeatureView, Field, ParquetSource, StreamSource, agg
from tropism.features.checks import rule
from tropism.features.settings import FeatureSettings
from tropism.featurestore import FeatureStore, filling
from tropism.featurestore.filling import backfill, fill, follow, views_to_fill
from tropism.featurestore.store import Opened
from tropism.registry.features import Features
from tropism.storage.lake import Lake
from tropism.storage.tables import Database

START = datetime(2026, 1, 31, tzinfo=UTC)
NOW = from_datetime(START)
ACCOUNT = Entity("account", key="account_id")
PAYMENTS = StreamSource(
    "payments",
    timestamp="at",
    schema={"account_id": str, "amount": float},
    rules=(rule.range("amount", 0, policy="null"), rule.fresh("at", "1h", policy="stop")),
)
SPEND = FeatureView("spend", entity=ACCOUNT, source=PAYMENTS, fields=(agg.count("7d"), agg.sum("amount", "7d")))
PROFILE = FeatureView(
    "profile", entity=ACCOUNT, source=ParquetSource("p.parquet", timestamp="at"), fields=(Field("limit"),)
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    registry = Features(database)
    registry.apply([ACCOUNT, PAYMENTS, SPEND, PROFILE], NOW)
    return FeatureStore(Opened(registry, Lake(tmp_path / "lake"), FeatureSettings(), clock, tmp_path, tmp_path, list))


def history(path: Path, count: int = 10, **columns: Any) -> Path:
    table = {
        "account_id": ["a"] * count,
        "amount": [1.0] * count,
        "at": [START - timedelta(hours=count - n) for n in range(count)],
    }
    pq.write_table(pa.table(table | columns), path)
    return path


def rows(store: FeatureStore) -> pa.Table:
    return store.opened.lake.read("_streams/payments").sort_by([("at", "ascending"), ("seq", "ascending")])


def value(store: FeatureStore, name: str) -> Any:
    (read,) = store.reader([name]).read([{"account_id": "a"}], [{}], store.opened.clock.now())
    return read.values[name]


def test_moments_of_taking_in_grow_though_the_clock_stands_still(
    store: FeatureStore, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "CHUNK", 4)
    monkeypatch.setattr(filling, "_TOGETHER", 2)
    backfill(store, "payments", history(tmp_path / "a.parquet"))
    stamps = rows(store)["at"].cast(pa.int64()).to_pylist()
    assert stamps == [NOW + n // 2 for n in range(10)]
    clock.set(NOW - DAY)
    backfill(store, "payments", history(tmp_path / "b.parquet", 1, at=[START - timedelta(days=2)]))
    assert rows(store)["at"].cast(pa.int64()).to_pylist() == [*stamps, NOW + 5]
    (tmp_path / "streams.lock").unlink()
    backfill(store, "payments", history(tmp_path / "c.parquet", 1, at=[START - timedelta(days=3)]))
    assert rows(store)["at"].cast(pa.int64()).to_pylist() == [*stamps, NOW + 5, NOW + 6]


def test_two_that_bring_the_same_file_at_once_bring_it_once(
    store: FeatureStore, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "CHUNK", 3)
    path, found, start = history(tmp_path / "a.parquet", 30), [], threading.Barrier(2)

    def bring() -> None:
        start.wait()
        found.append(backfill(store, "payments", path).new)

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 30
    assert sorted(rows(store)["seq"].to_pylist()) == list(range(1, 31))
    assert follow(store, "payments") == ["spend@1"]
    clock.advance(DAY)
    assert value(store, "spend.count_7d") == 30


def test_progress_is_told(store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "CHUNK", 4)
    told: list[tuple[int, int]] = []
    backfill(store, "payments", history(tmp_path / "a.parquet"), progress=lambda *one: told.append(one))
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_history_need_not_be_fresh_but_its_other_rules_hold(store: FeatureStore, tmp_path: Path) -> None:
    found = backfill(store, "payments", history(tmp_path / "a.parquet", 3, amount=[1.0, -1.0, 2.0]))
    assert found == (3, 3, 0, ("range of 'amount' (1)",))
    assert rows(store)["c_amount"].to_pylist() == [1.0, None, 2.0]


def test_a_broken_rule_that_stops_lets_nothing_in(store: FeatureStore, tmp_path: Path) -> None:
    strict = (rule.range("amount", 0, policy="stop"),)
    source = StreamSource("payments", timestamp="at", schema=PAYMENTS.schema, rules=strict)
    view = FeatureView("spend", entity=ACCOUNT, source=source, fields=SPEND.fields)
    store.opened.registry.apply([ACCOUNT, source, view, PROFILE], NOW)
    with pytest.raises(DataInvalid, match="breaks a rule of 'payments'") as refused:
        backfill(store, "payments", history(tmp_path / "a.parquet", 3, amount=[1.0, -1.0, 2.0]))
    assert refused.value.faults[0].value == "-1.0 in row 1"
    assert store.opened.lake.version("_streams/payments") < 0


def test_views_by_name_and_without(store: FeatureStore) -> None:
    def stored(*names: str, streams: bool = False) -> list[str]:
        return [one.stored for one in views_to_fill(store, names, streams=streams)]

    assert stored() == ["profile@1"]
    assert stored(streams=True) == ["profile@1", "spend@1"]
    assert stored("spend", "spend@1", "profile") == ["spend@1", "profile@1"]
    with pytest.raises(UnknownFeature):
        stored("nix")


def test_a_view_over_a_stream_is_filled_from_the_lake(store: FeatureStore, tmp_path: Path, clock: ManualClock) -> None:
    backfill(store, "payments", history(tmp_path / "a.parquet"))
    clock.advance(DAY)
    (view,) = views_to_fill(store, ["spend"])
    assert fill(store, view) == (10, 10, ())
    assert fill(store, view) == (0, 0, ())
    assert value(store, "spend.sum_amount_7d") == 10.0


def test_an_on_demand_feature_is_no_view(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from tropism.features import on_demand

    ratio = on_demand(lambda f, request: request["x"] * 2, name="ratio")
    store.opened.registry.apply([ACCOUNT, PAYMENTS, SPEND, PROFILE, ratio], NOW)
    again = FeatureStore(store.opened._replace(computed=lambda: [ratio]))
    with pytest.raises(InvalidInput, match="'ratio' is no view"):
        views_to_fill(again, ["ratio"])
