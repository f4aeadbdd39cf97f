"""Tropism, in the project's environment: asked for the same as the worker of Feast, and answers in the same form."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from answering import answer, measured, repeated

from tropism.features import Entity, FeatureView, Field, ParquetSource
from tropism.features.keys import key_text
from tropism.features.offline import read_source, training_set
from tropism.features.online import Features, OnlineReader, OnlineStore, OnlineView, materialise

STORED = "profile@1"


def view_of(features: list[str], ttl_days: int) -> FeatureView:
    return FeatureView(
        "profile",
        entity=Entity("account", key="account_id"),
        source=ParquetSource("rows.parquet", timestamp="event_timestamp", created="created"),
        fields=tuple(Field(name, float) for name in features),
        ttl=f"{ttl_days}d" if ttl_days else None,
        known="event",
    )


def make_training_set(folder: str, features: list[str], ttl_days: int, labels: str, out: str) -> dict[str, Any]:
    """From labels in memory to values in memory."""
    view, root = view_of(features, ttl_days), Path(folder)
    asked = pq.read_table(labels)
    with measured() as found:
        made = training_set(
            asked, [view], lambda view, columns: read_source(view.source, columns, root), at="event_timestamp"
        )
    named = made.rename_columns([name.removeprefix("profile.") for name in made.column_names])
    pq.write_table(named.select(["label", *features]), out)
    return {**found, "rows": len(made)}


def opened(online: dict[str, str]) -> OnlineStore:
    if online["type"] == "redis":
        from tropism.features.online.redis import RedisOnlineStore

        return RedisOnlineStore(online["url"])
    from tropism.features.online.sqlite import SQLiteOnlineStore

    return SQLiteOnlineStore(online["path"])


def materialise_all(
    folder: str, features: list[str], ttl_days: int, online: dict[str, str], start: int, end: int
) -> dict[str, Any]:
    """All rows: no event of the data is outside of `start` to `end`."""
    del start, end
    view, store = view_of(features, ttl_days), opened(online)
    with measured() as found:
        rows = read_source(view.source, [*view.entity.keys, *view.names], Path(folder))
        taken = materialise(
            store, OnlineView.of(view, STORED), rows, view.entity.keys, timestamp="event_timestamp", created="created"
        )
    store.close()
    return {**found, "taken": taken}


def reader_of(features: list[str], ttl_days: int, online: dict[str, str]) -> Callable[[Sequence[int]], Features]:
    """Reads keys as they come, as whole numbers."""
    view = view_of(features, ttl_days)
    reader = OnlineReader(opened(online), [OnlineView.of(view, STORED)])
    columns, names = view.entity.keys, [f"profile.{name}" for name in features]

    def read(keys: Sequence[int]) -> Features:
        return reader.get([key_text(columns, {columns[0]: key}) for key in keys], names, time.time_ns() // 1000)

    return read


def read(
    folder: str,
    features: list[str],
    ttl_days: int,
    online: dict[str, str],
    form: str,
    batches: list[list[int]],
    seconds: float,
) -> dict[str, Any]:
    """Keys to a dictionary for each entity, or to an Arrow table."""
    del folder
    once = reader_of(features, ttl_days, online)
    if form == "arrow":
        return repeated(lambda keys: once(keys).table(), batches, seconds)
    return repeated(lambda keys: once(keys).rows(), batches, seconds)


def look(folder: str, features: list[str], ttl_days: int, online: dict[str, str], keys: list[int]) -> dict[str, Any]:
    """The values themselves, and when they were read (µs)."""
    del folder
    rows = reader_of(features, ttl_days, online)(keys).rows()
    values = {name: [row[f"profile.{name}"] for row in rows] for name in features}
    return {"at": time.time_ns() // 1000, "values": values}


if __name__ == "__main__":
    answer({"training_set": make_training_set, "materialise": materialise_all, "read": read, "look": look})
