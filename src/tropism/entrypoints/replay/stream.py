"""A historical file as a stream: events in order, their labels, and when each label becomes known."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import Fault
from tropism.core.task import Feature, Task
from tropism.entrypoints.replay import inference
from tropism.entrypoints.replay.delays import known_times, parse_delay, window_for
from tropism.entrypoints.replay.labels import outcome_of, read_target
from tropism.entrypoints.replay.ordering import order_events
from tropism.entrypoints.replay.source import read_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from tropism.core.task import Kind
    from tropism.entrypoints.replay.delays import Delay, Known
    from tropism.entrypoints.replay.inference import Column
    from tropism.entrypoints.replay.labels import Target
    from tropism.entrypoints.replay.source import Source

FEWEST = 200
"""Fewest events that a replay can say anything about."""
_PLURALS = {"number": "numbers", "category": "categories", "boolean": "booleans"}


@dataclass(frozen=True, eq=False)
class Stream:
    """What `read_stream` makes of a file; n events in order.

    `features`: one column a feature, in the task's order: float64, bool or string, missing values null.
    `labels`: (n,) float64 as `Task.label` stores them. `at`: (n,) µs, never decreasing. `label_at`: (n,) µs, when
    the label becomes known. `known_from`: (n,) index of the first event that may be predicted with the label
    known, n when there is none; it settles what `label_at` cannot where events share a time. `time`: the column
    that the times come from, None for file order. `notes`: sentences about what was inferred.
    """

    task: Task
    features: pa.Table
    labels: NDArray[np.float64]
    at: NDArray[np.int64]
    label_at: NDArray[np.int64]
    known_from: NDArray[np.int64]
    delay_text: str
    time: str | None
    notes: tuple[str, ...]
    path: Path

    def __len__(self) -> int:
        return len(self.labels)

    def outcome(self, index: int) -> Any:
        """The label of an event as `Task.label` accepts it: True or False, a class's name, or the number."""
        return outcome_of(self.task.kind, self.task.classes, float(self.labels[index]))


def read_stream(
    path: str | PathLike[str],
    *,
    target: str,
    time: str | None = None,
    features: Sequence[str] | None = None,
    kind: Kind | None = None,
    label_delay: str = "0",
    limit: int | None = None,
    classes: Sequence[str] | None = None,
) -> Stream:
    """Reads a CSV or Parquet file, whole, as a stream of events.

    Parameters:
        target: column that is predicted.
        time: column that orders the events; without it file order, one second apart from 2000-01-01.
        features: columns to predict from; all but target and time without it.
        kind: inferred from the target without it.
        label_delay: in events (`48`) or time (`2d`); `0`: known after the event and before the next one.
        limit: use the first so many events.
        classes: the target's classes in order; the second of two is the positive one.

    Raises:
        DataInvalid: the file, a cell or an argument cannot be used; names file, line, column, value and remedy.
    """
    delay = parse_delay(label_delay)
    source = read_source(Path(path))
    names = _feature_names(source, target, time, features)
    _require_enough(source, limit)
    order = order_events(source, time, limit)
    goal = read_target(source, target, kind, classes)
    columns, feature_notes = inference.read_features(source, names, features is not None)
    labels = goal.labels[order.rows]
    _require_change(source, target, labels)
    known = _known(source, order.at, delay, time)
    notes = [*source.notes, *goal.notes, *order.notes, *_delay_notes(delay, order.at, known, time)]
    notes += [_features_note(columns, features, target, time), *feature_notes]
    return Stream(
        task=_task(source, target, goal, columns, window_for(order.at, known.label_at)),
        features=_in_order(columns, order.rows),
        labels=labels,
        at=order.at,
        label_at=known.label_at,
        known_from=known.known_from,
        delay_text=delay.text,
        time=time,
        notes=tuple(notes),
        path=source.path,
    )


def _task(source: Source, target: str, goal: Target, columns: dict[str, Column], window: str) -> Task:
    return Task(
        name=_task_name(source.path),
        kind=goal.kind,
        target=target,
        features=tuple(Feature(name, column.dtype) for name, column in columns.items()),
        classes=goal.names,
        outcome_window=window,
    )


def _feature_names(source: Source, target: str, time: str | None, features: Sequence[str] | None) -> list[str]:
    source.require("--target", target)
    if time is not None:
        source.require("--time", time)
        if time == target:
            fix = "name two different columns"
            raise source.refusal("the target cannot be the time as well", Fault("--time", repr(time), fix))
    names = [name for name in source.names if name not in (target, time)] if features is None else list(features)
    for name in names:
        source.require("--features", name)
    if target in names:
        fix = "leave the target out; it is what is predicted"
        raise source.refusal("the target is among the features", Fault("--features", repr(target), fix))
    if not names:
        fix = "give a file with more columns than the target and the time"
        raise source.refusal("there is no feature to predict from", Fault("--features", "none", fix))
    return list(dict.fromkeys(names))


def _require_enough(source: Source, limit: int | None) -> None:
    if limit is not None and limit < FEWEST:
        raise source.refusal("the limit is too small", Fault("--limit", str(limit), f"use at least {FEWEST}"))
    count = source.columns.num_rows
    if count < FEWEST:
        fix = f"give at least {FEWEST}; nothing can be learnt and tested on fewer"
        raise source.refusal("the file has too few rows", Fault("file", f"{count} rows", fix))


def _require_change(source: Source, target: str, labels: NDArray[np.float64]) -> None:
    if labels.min() == labels.max():
        fix = "raise --limit; the target changes further on in the file"
        raise source.refusal(
            f"the target {target!r} has one value in all events used", Fault("--limit", f"{len(labels):,} events", fix)
        )


def _known(source: Source, at: NDArray[np.int64], delay: Delay, time: str | None) -> Known:
    known = known_times(at, delay)
    if known.known_from[0] < len(at):
        return known
    fix = f"use fewer than the stream's {len(at):,} events"
    if delay.time is not None:
        span = int(at[-1] - at[0]) / SECOND
        fix = f"use less than the {span:,.0f} seconds from the first event to the last"
        fix += "; without --time events are one second apart, so count in events" if time is None else ""
    problem = "no label would be known before the stream ends"
    raise source.refusal(problem, Fault("--label-delay", repr(delay.text), fix))


def _delay_notes(delay: Delay, at: NDArray[np.int64], known: Known, time: str | None) -> list[str]:
    if not delay.events or time is None:
        return []
    taken = (known.label_at - at) / DAY
    typical, longest = float(np.median(taken)), float(taken.max())
    return [
        f"label delay: {delay.events:,} events take {typical:,.3g} days here as a rule and {longest:,.3g} at most; "
        "the outcome window is as long as the longest"
    ]


def _in_order(columns: dict[str, Column], rows: NDArray[np.int64]) -> pa.Table:
    table = pa.table({name: column.values for name, column in columns.items()})
    in_file_order = np.array_equal(rows, np.arange(len(rows)))
    return (table.slice(0, len(rows)) if in_file_order else table.take(pa.array(rows))).combine_chunks()


def _task_name(path: Path) -> str:
    """The file's name as a task's name.

    >>> _task_name(Path("My data (2).csv"))
    'my-data-2'
    """
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-")[:64] or "replay"


def _features_note(columns: dict[str, Column], features: Sequence[str] | None, target: str, time: str | None) -> str:
    counts = Counter(column.dtype for column in columns.values())
    types = ", ".join(f"{count} {dtype if count == 1 else _PLURALS[dtype]}" for dtype, count in counts.items())
    but = f'"{target}"' if time is None else f'"{target}" and "{time}"'
    chosen = f"every column but {but}" if features is None else "as named"
    return f"features: {chosen} ({types})"
