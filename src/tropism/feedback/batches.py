"""Events as Arrow tables, as the lake keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from tropism.feedback.schemas import OUTCOMES, PREDICTIONS, REJECTED, SERVICE, feature_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tropism.core.events import Activity, Served
    from tropism.feedback.sorting import MeasuredBatch, OutcomeBatch, PredictionBatch, Record, Rejected


def predictions_table(batch: PredictionBatch) -> pa.Table:
    """A task's predictions: the columns of `PREDICTIONS`, then one a feature; a feature not sent is null."""
    events = batch.events
    plain = ("id", "at", "entity", "unit", "version", "variant", "scores", "degraded", "propensity")
    columns: dict[str, list[Any]] = {name: [getattr(event, name) for event in events] for name in plain}
    columns["served"] = [None if event.served is None else _json(event.served) for event in events]
    columns |= _places(batch.records)
    for name in batch.task.feature_names:
        columns[f"f_{name}"] = [event.features.get(name) for event in events]
    return _table(columns, [*PREDICTIONS, *feature_fields(batch.task.features)])


def outcomes_table(batch: OutcomeBatch) -> pa.Table:
    """A task's outcomes: the columns of `OUTCOMES`."""
    plain = ("id", "at", "received", "prediction_id", "entity", "value")
    columns: dict[str, list[Any]] = {name: [getattr(event, name) for event in batch.events] for name in plain}
    columns["values"] = [list(event.values.items()) or None for event in batch.events]
    return _table(columns | _places(batch.records), OUTCOMES)


def rejected_table(rejected: Sequence[Rejected], now: int) -> pa.Table:
    """Rejected records: the columns of `REJECTED`."""
    records = [one.record for one in rejected]
    columns: dict[str, list[Any]] = {
        "at": [now] * len(rejected),
        "reason": [one.reason for one in rejected],
        "payload": [one.payload for one in rejected],
    }
    return _table(columns | _places(records), REJECTED)


def service_table(batch: MeasuredBatch) -> pa.Table:
    """What was measured: the columns of `SERVICE`, a row for each event, and one for each task in it."""
    rows: list[dict[str, Any]] = []
    for record, event in zip(batch.records, batch.events, strict=True):
        shared = {"at": event.end, "start": event.start, "process": event.process}
        shared |= {"writer": record.writer, "seq": record.seq}
        mirrored = msgspec.json.encode(event.mirrored).decode() if event.mirrored else None
        rows.append({**shared, **{name: getattr(event, name) for name in _USED}, "mirrored": mirrored})
        rows += [{**shared, **_done(one)} for one in event.models]
    return _table({name: [row.get(name) for row in rows] for name in SERVICE.names}, SERVICE)


_USED = ("cpu_seconds", "memory_bytes", "gpus", "gpu_seconds", "gpu_memory_bytes")


def _done(activity: Activity) -> dict[str, Any]:
    plain = {name: getattr(activity, name) for name in ("task", "seconds", "errors", "refused", "degraded", "outcomes")}
    versions = sorted(activity.predictions)
    return plain | {
        "versions": versions,
        "predictions": [activity.predictions[version] for version in versions],
        "requests": sum(activity.requests),
        "latency": activity.requests,
    }


def _json(served: Served) -> str:
    return msgspec.json.encode(served).decode()


def _places(records: Sequence[Record]) -> dict[str, list[Any]]:
    return {"writer": [record.writer for record in records], "seq": [record.seq for record in records]}


def _table(columns: dict[str, list[Any]], fields: Iterable[pa.Field]) -> pa.Table:
    schema = pa.schema(list(fields))
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
