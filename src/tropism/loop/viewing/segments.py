"""The segments of the traffic that fare worst, and those that the task declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.feedback.joining import moments
from tropism.loop.losses import served
from tropism.loop.viewing.importance import importance_of
from tropism.monitoring.segments.candidates import PAIRED
from tropism.monitoring.segments.report import LEAST, Search, Segment, segments, worst

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources

ROWS = 50_000
"""Matured predictions that are looked at: the newest ones."""


class SegmentsView(msgspec.Struct, frozen=True, kw_only=True):
    """Of the newest `rows` matured predictions of `version` (None: of the baseline). `worst`: those found by search;
    `declared`: the task's own. `waiting`: what is missing, if anything."""

    task: str
    metric: str
    version: int | None
    rows: int
    worst: Search | None = None
    declared: tuple[Segment, ...] = ()
    waiting: str = ""


def worst_segments(
    sources: Sources, name: str, *, since: int | None = None, top: int = 5, rows: int = ROWS
) -> SegmentsView:
    """The `top` segments whose loss is surely above that of all other rows, and the declared ones.

    Raises:
        UnknownTask: there is none of that name.
        InvalidInput: a declared segment is none.
    """
    task = sources.task(name)
    live = sources.registry.aliases.live(name)
    version = None if live is None else live.champion
    table = _rows(sources, task, version, since, rows)
    view = SegmentsView(task=name, metric=task.metric_name, version=version, rows=table.num_rows)
    if table.num_rows < 2 * LEAST:
        told = f"{table.num_rows} of the {2 * LEAST} matured predictions that it takes are there"
        return msgspec.structs.replace(view, waiting=told)
    loss, declared = served(task, table), task.monitoring.segments
    shares = importance_of(sources, task, version).shares
    paired = sorted(task.feature_names, key=lambda feature: -shares.get(feature, 0.0))[:PAIRED]
    return msgspec.structs.replace(
        view,
        worst=worst(task, table, loss, declared, top=top, paired=paired),
        declared=tuple(segments(task, table, loss, declared)) if declared else (),
    )


def _rows(sources: Sources, task: Task, version: int | None, since: int | None, count: int) -> pa.Table:
    """The newest `count` matured predictions of a version, with their features; few others are read."""
    now, models = sources.clock.now(), [version or 0]
    light = sources.cohorts.matured(task, now=now, since=since, models=models, columns=("at", "scores"))
    at = moments(_scored(light.table), "at")
    if not len(at):
        return _scored(light.table)
    begun = int(at[max(len(at) - count, 0)])
    found = _scored(sources.cohorts.matured(task, now=now, since=begun, models=models, versions=light.lake).table)
    return found.slice(max(found.num_rows - count, 0))


def _scored(table: pa.Table) -> pa.Table:
    return table.filter(pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0))
