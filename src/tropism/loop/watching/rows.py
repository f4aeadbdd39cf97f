"""Rows of a task's predictions, as monitors need them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.events import PINNED
from tropism.feedback.joining import distinct_predictions, moments
from tropism.feedback.schemas import PREDICTIONS, feature_fields, predictions_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.storage.lake import Lake

    Times = NDArray[np.int64]

_COLUMNS = ("id", "at", "entity", "version", "variant", "scores", "writer", "seq")
_LIGHT = pa.schema([field for field in PREDICTIONS if field.name in ("at", "variant")])
_NOT_ASKED = (PINNED, "batch", "import")
"""Variants of rows that nobody asked for as a user of the live model."""
_AT_ONCE = 200_000
"""Rows that are read at once, about."""


class Rows(NamedTuple):
    """What a monitor counts: rows and their times (µs), in order of time."""

    table: pa.Table
    at: Times

    def between(self, start: int, end: int) -> Rows:
        """Those from `start` until before `end` (µs)."""
        first, last = np.searchsorted(self.at, (start, end))
        return Rows(self.table.slice(first, last - first), self.at[first:last])

    def where(self, kept: NDArray[np.bool_]) -> Rows:
        """Those that are kept (n,)."""
        return self if kept.all() else Rows(self.table.filter(pa.array(kept)), self.at[kept])


def rows_before(lake: Lake, task: Task, until: int, count: int) -> pa.Table:
    """The last rows made before a time (µs), served or imported, in order of time, without scores."""
    since = _since(lake, task, None, until, (PINNED,), count)
    table = _read(lake, task, since, until, (PINNED,))
    return table.slice(max(table.num_rows - count, 0)).drop_columns(["scores"])


def rows_served(lake: Lake, task: Task, since: int, until: int, most: int | None = None) -> pa.Table:
    """Rows served from `since` until before `until` (µs), in order of time; of more than `most`, the last ones."""
    if most is not None:
        since = _since(lake, task, since, until, _NOT_ASKED, most) or since
    table = _read(lake, task, since, until, _NOT_ASKED)
    return table if most is None else table.slice(max(table.num_rows - most, 0))


def spans(lake: Lake, task: Task, start: int, until: int, window: int) -> list[tuple[int, int]]:
    """A span of time (µs) in parts that are read at once, each of whole windows and so many rows at most, or of one
    window. Where nothing was served for long there is no part for each window."""
    name = predictions_name(task.name)
    if until - start <= window or lake.at_most(name, since=start, until=until) <= _AT_ONCE:
        return [(start, until)]
    at = np.sort(moments(lake.read(name, schema=_LIGHT, since=start, until=until), "at"))
    edges = np.unique(at[_AT_ONCE::_AT_ONCE] // window) * window
    bounds = [start, *edges[edges > start].tolist(), until]
    return list(pairwise(bounds))


def _since(lake: Lake, task: Task, since: int | None, until: int, without: Collection[str], count: int) -> int | None:
    """From when on there are the last `count` rows; `since` where there are fewer. Reads times only."""
    light = lake.read(predictions_name(task.name), schema=_LIGHT, since=since, until=until)
    at = moments(light.filter(pc.invert(pc.is_in(light["variant"], value_set=pa.array(without)))), "at")
    return int(np.partition(at, len(at) - count)[len(at) - count]) if len(at) > count else since


def _read(lake: Lake, task: Task, since: int | None, until: int, without: Collection[str]) -> pa.Table:
    fields = [field for field in PREDICTIONS if field.name in _COLUMNS]
    schema = pa.schema([*fields, *feature_fields(task.features)])
    table = lake.read(predictions_name(task.name), schema=schema, since=since, until=until)
    left_out = pc.is_in(table["variant"], value_set=pa.array(without))
    return distinct_predictions(table.filter(pc.invert(left_out)) if pc.any(left_out).as_py() else table)
