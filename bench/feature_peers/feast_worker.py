"""Feast, in its own environment: training sets, materialising and online reads, asked for as `answering` has it."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from answering import answer, measured, repeated
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

stores: dict[str, FeatureStore] = {}


def opened(folder: str, features: list[str], ttl_days: int, offline: str, online: dict[str, str]) -> FeatureStore:
    """A store of one view, its registry in a folder of its own."""
    name = f"{offline}-{online['type']}"
    if name not in stores:
        home = Path(folder) / f"feast-{name}"
        home.mkdir(exist_ok=True)
        config = RepoConfig(
            project="bench", provider="local", registry=str(home / "registry.db"), repo_path=home,
            offline_store={"type": offline}, online_store=online, entity_key_serialization_version=3,
        )  # fmt: skip
        account = Entity(name="account", join_keys=["account_id"], value_type=ValueType.INT64)
        source = FileSource(
            name="rows", path=str(Path(folder) / "rows.parquet"),
            timestamp_field="event_timestamp", created_timestamp_column="created",
        )  # fmt: skip
        view = FeatureView(
            name="profile", entities=[account], ttl=datetime.timedelta(days=ttl_days), source=source,
            schema=[Field(name=feature, dtype=Float64) for feature in features],
        )  # fmt: skip
        stores[name] = FeatureStore(config=config)
        stores[name].apply([account, source, view])
    return stores[name]


def training_set(
    folder: str, features: list[str], ttl_days: int, offline: str, labels: str, out: str
) -> dict[str, Any]:
    """From labels in memory, as the data frame that Feast asks for, to values in memory."""
    online = {"type": "sqlite", "path": str(Path(folder) / "none.db")}
    store = opened(folder, features, ttl_days, offline, online)
    asked = pq.read_table(labels).to_pandas()
    names = [f"profile:{feature}" for feature in features]
    with measured() as found:
        job = store.get_historical_features(entity_df=asked, features=names)
        made = job.to_arrow() if offline == "duckdb" else job.to_df()
    table = made if isinstance(made, pa.Table) else pa.Table.from_pandas(made, preserve_index=False)
    pq.write_table(table.select(["label", *features]), out)
    return {**found, "rows": len(table)}


def materialise(
    folder: str, features: list[str], ttl_days: int, online: dict[str, str], start: int, end: int
) -> dict[str, Any]:
    """Every row up to `end` (µs) into the online store, through the faster of the two offline stores."""
    store = opened(folder, features, ttl_days, "duckdb", online)
    first, last = (datetime.datetime.fromtimestamp(at / 1e6, datetime.timezone.utc) for at in (start, end))  # noqa: UP017
    with measured() as found:
        store.materialize(first, last)
    return {**found}


def read(
    folder: str,
    features: list[str],
    ttl_days: int,
    online: dict[str, str],
    form: str,
    batches: list[list[int]],
    seconds: float,
) -> dict[str, Any]:
    """Keys to a dictionary of lists, or to an Arrow table."""
    store = opened(folder, features, ttl_days, "duckdb", online)
    names = [f"profile:{feature}" for feature in features]

    def once(keys: Any) -> object:
        rows = [{"account_id": key} for key in keys]
        found = store.get_online_features(features=names, entity_rows=rows)
        return found.to_arrow() if form == "arrow" else found.to_dict()

    return repeated(once, batches, seconds)


def look(folder: str, features: list[str], ttl_days: int, online: dict[str, str], keys: list[int]) -> dict[str, Any]:
    """The values themselves, and when they were read (µs)."""
    store = opened(folder, features, ttl_days, "duckdb", online)
    names = [f"profile:{feature}" for feature in features]
    found = store.get_online_features(features=names, entity_rows=[{"account_id": key} for key in keys]).to_dict()
    return {"at": time.time_ns() // 1000, "values": {feature: found[feature] for feature in features}}


if __name__ == "__main__":
    answer({"training_set": training_set, "materialise": materialise, "read": read, "look": look})
