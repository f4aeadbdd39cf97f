"""Imports past rows into the journal, as predictions that nobody made and the outcomes that came of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import derived_id, task_tag
from tropism.core.privacy import JournalPolicy
from tropism.entrypoints.past_features import split_features, with_keys, with_stored, without_features
from tropism.entrypoints.replay import cells
from tropism.entrypoints.replay.ordering import order_events
from tropism.entrypoints.replay.source import read_source
from tropism.entrypoints.replay.stream import read_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tropism.core.events import Event
    from tropism.core.task import Feature, Task
    from tropism.entrypoints.replay.stream import Stream
    from tropism.wiring import Platform

    _Row = dict[str, Any]

_BATCH = 1_000


def import_history(platform: Platform, task: Task, path: Path, time: str | None) -> int:
    """Append a CSV or Parquet file's rows to the journal; how many.

    Without a time column the rows are taken to be one second apart, ending now. With one, a row that was imported
    before counts once: ids follow from the row itself, so a longer export of the same history adds what is new.
    Features from the store that the file does not have are joined as they were known at each row's time.

    Raises:
        DataInvalid: the file does not fit the task, or a source of its features cannot be read.
        UnknownFeature: a view that the task is bound to is not served any more.
    """
    given, joined = split_features(task, path, time)
    stream = _read(task, given, path, time)
    own = _as_declared(path, task, given, stream)
    features = own
    if joined:
        own = with_keys(task, path, stream, own)
        features = with_stored(platform.features, task, joined, stream, own)
    now = platform.clock.now()
    shift = 0 if time is not None else now - int(stream.at[-1]) - 1
    if int(stream.at[-1]) + shift > now:
        raise DataInvalid("history ends in the future", Fault(f"{path.name} {time}", "", "check the time column"))
    journal = platform.journal()
    seen: Counter[bytes] = Counter()
    try:
        for start in range(0, len(stream), _BATCH):
            rows = [some.slice(start, _BATCH).to_pylist() for some in (own, features)]
            events = _events(task, stream, start, zip(*rows, strict=True), shift, seen)
            journal.append([encode(event) for event in _as_recorded(platform, task, events)])
    finally:
        journal.close()
    return len(stream)


def _read(task: Task, given: Sequence[Feature], path: Path, time: str | None) -> Stream:
    """The file with the columns that the task names. A fault speaks of the task, not of a replay's options."""
    columns = {"target": task.target, "time": time, "features": [feature.name for feature in given]}
    try:
        if not given:
            return without_features(task, path, time)
        return read_stream(path, **columns, kind=task.kind, classes=task.classes or None)  # type: ignore[arg-type]
    except DataInvalid as error:
        named = {"--target": f"target of '{task.name}'", "--features": f"features of '{task.name}'"}
        faults = (Fault(named.get(one.field, one.field), one.value, one.fix) for one in error.faults)
        raise DataInvalid(error.message, *faults) from error


def _events(
    task: Task, stream: Stream, start: int, rows: Iterable[tuple[_Row, _Row]], shift: int, seen: Counter[bytes]
) -> Iterator[Event]:
    """A prediction and its outcome for each row: what the file has of it, which its ids follow from, and its features.
    `seen` counts equal rows, which are different events."""
    tag = task_tag(task.name)
    for index, (own, features) in enumerate(rows, start=start):
        at, value = int(stream.at[index]) + shift, float(stream.labels[index])
        row = msgspec.json.encode((task.name, at, value, own))
        seen[row] += 1
        text = f"{seen[row]} {row.decode()}"
        made = derived_id(at, f"prediction {text}", tag)
        yield Prediction(id=made, task=task.name, at=at, features=features, variant="import")
        yield Outcome(
            id=derived_id(at, f"outcome {text}", tag),
            task=task.name,
            value=value,
            at=at,
            received=at,
            prediction_id=made,
        )


def _as_recorded(platform: Platform, task: Task, events: Iterator[Event]) -> Iterator[Event]:
    """Events as the task's journal policy lets them be recorded; all of them, whatever it samples."""
    if task.journal == JournalPolicy():
        return events
    privacy = platform.privacy
    return (privacy.imported(task, one) if isinstance(one, Prediction) else one for one in events)


def _as_declared(path: Path, task: Task, given: Sequence[Feature], stream: Stream) -> pa.Table:
    """The features of the file as the task declares them, where the file's reading of them can be turned into that."""
    found = {feature.name: feature.type for feature in stream.task.features}
    columns, wrong = {}, []
    for feature in given:
        column = stream.features[feature.name]
        if found[feature.name] != feature.type:
            column = _turned(path, stream, column, feature)
        if column is None:
            fix = f"the task declares {feature.type}; mend the column, or the task"
            wrong.append(Fault(f"{path.name} {feature.name}", found[feature.name], fix))
        columns[feature.name] = column
    if wrong:
        raise DataInvalid(f"{path.name} does not fit the task '{task.name}'", *wrong)
    return pa.table(columns) if columns else stream.features


def _turned(path: Path, stream: Stream, column: pa.ChunkedArray, feature: Feature) -> pa.ChunkedArray | None:
    """A column as another type, where nothing is lost; None where something would be."""
    if feature.type == "category":
        source = read_source(path)
        written = pc.cast(source.columns.column(feature.name), pa.string())
        return cells.clean(written).take(pa.array(order_events(source, stream.time).rows))
    numbers = pa.types.is_floating(column.type)
    if feature.type == "boolean" and numbers and pc.all(pc.is_in(column, pa.array([0.0, 1.0, None]))).as_py():
        return pc.equal(column, 1.0)
    return pc.cast(column, pa.float64()) if pa.types.is_boolean(column.type) else None
