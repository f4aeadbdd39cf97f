"""Features from the store for rows of the past: which a file lacks, and their values at each row's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.core.task import task_value
from tropism.entrypoints.replay import cells
from tropism.entrypoints.replay.labels import read_target
from tropism.entrypoints.replay.ordering import order_events
from tropism.entrypoints.replay.source import listed, read_source
from tropism.entrypoints.replay.stream import Stream
from tropism.features.store.streams import MOMENT, stream_table
from tropism.featurestore.training_sets import make_training_set, stored_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.core.task import Feature, Task
    from tropism.featurestore import FeatureStore

_AT = ""
"""The column of a row's time; no feature or key can have this name."""
_TYPES = {"number": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}


def split_features(task: Task, path: Path, time: str | None) -> tuple[list[Feature], list[Feature]]:
    """The features that are taken from the file, and those that are joined from the store, in the task's order.

    Raises:
        DataInvalid: a column or the time is missing that the join needs; names all of them.
    """
    if not task.views:
        return list(task.features), []
    there = set(read_source(path).names)
    given = [feature for feature in task.features if not feature.view or feature.name in there]
    joined = [feature for feature in task.features if feature.view and feature.name not in there]
    missing = [key for key in task.keys if key not in there]
    if not joined or not (missing or time is None):
        return given, joined
    names = listed([feature.name for feature in joined], 3)
    fix = f"add the column, to find the entity of each row by, or the columns {names}"
    faults = [Fault(f"{path.name} {key}", "missing", fix) for key in missing]
    if time is None:
        fix = f"name the column with each row's time, or add the columns {names}"
        faults.append(Fault("--time", "missing", fix))
    raise DataInvalid(f"features of '{task.name}' cannot be joined from the store", *faults)


def without_features(task: Task, path: Path, time: str | None) -> Stream:
    """The labels and times of a file of which no feature is taken. Raises `DataInvalid`, as `read_stream`."""
    source = read_source(path)
    source.require("--target", task.target)
    if time is not None:
        source.require("--time", time)
    order = order_events(source, time)
    labels = read_target(source, task.target, task.kind, task.classes or None).labels[order.rows]
    features = pa.table({_AT: pa.nulls(len(labels))})
    return Stream(
        task=task,
        features=features,
        labels=labels,
        at=order.at,
        label_at=order.at,
        known_from=order.rows,
        delay_text="0",
        time=time,
        notes=(),
        path=source.path,
    )


def with_keys(task: Task, path: Path, stream: Stream, features: pa.Table) -> pa.Table:
    """What the file says of each row: its features and the keys of its entities."""
    source = read_source(path)
    rows = pa.array(order_events(source, stream.time).rows)
    columns = {name: features[name] for name in features.column_names if name != _AT}
    for key in (key for key in task.keys if key not in columns):
        column = source.columns[key]
        if source.dialect is not None:
            column = cells.clean(pc.cast(column, pa.string()))
        columns[key] = column.take(rows)
    return pa.table(columns)


def with_stored(store: FeatureStore, task: Task, joined: Sequence[Feature], stream: Stream, own: pa.Table) -> pa.Table:
    """All features of the task, those that are `joined` as they were known at each row's time.

    Raises:
        DataInvalid: a stream has no history yet; or what `make_training_set` raises.
        UnknownFeature: a view is not served any more.
    """
    names = [stored_name(feature) for feature in joined]
    _require_history(store, names)
    labels = own.append_column(_AT, pa.array(stream.at).cast(MOMENT))
    found = make_training_set(store, labels, names, _AT).table
    columns = {name: own[name] for name in own.column_names}
    for feature in joined:
        values = [task_value(feature, value) for value in found[feature.name].to_pylist()]
        columns[feature.name] = pa.array(values, _TYPES[feature.type])
    return pa.table({feature.name: columns[feature.name] for feature in task.features})


def _require_history(store: FeatureStore, names: Sequence[str]) -> None:
    """Without any event all features would be null, and a model would learn that they are."""
    definitions = store.definitions()
    named = definitions.find_all(names)
    named += [part for one in named if one.view is None for part in definitions.needs(definitions.on_demand[one.name])]
    views = [one.view.view for one in named if one.view is not None]
    streams = dict.fromkeys(getattr(view.source, "name", "") for view in views if view.streamed)
    empty = [name for name in streams if store.opened.lake.version(stream_table(name)) < 0]
    if empty:
        faults = (Fault("stream", name, f"bring it in: tropism features backfill {name} FILE") for name in empty)
        raise DataInvalid("a stream has no history to take features from", *faults)
