"""Rows of a task's predictions, as monitors need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.events import PINNED
from tropism.feedback.joining import distinct_predictions
from tropism.feedback.schemas import PREDICTIONS, feature_fields, predictions_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from tropism.core.task import Task
    from tropism.storage.lake import Lake

_COLUMNS = ("id", "at", "entity", "version", "variant", "scores", "writer", "seq")
_NOT_ASKED = (PINNED, "batch", "import")
"""Variants of rows that nobody asked for as a user of the live model."""


def rows_before(lake: Lake, task: Task, until: int, count: int) -> pa.Table:
    """The last rows made before a time (µs), served or imported, in order of time, without scores."""
    table = _read(lake, task, None, until, (PINNED,))
    return table.slice(max(table.num_rows - count, 0)).drop_columns(["scores"])


def rows_served(lake: Lake, task: Task, since: int, until: int) -> pa.Table:
    """Rows served from `since` until before `until` (µs), in order of time."""
    return _read(lake, task, since, until, _NOT_ASKED)


def _read(lake: Lake, task: Task, since: int | None, until: int, without: Collection[str]) -> pa.Table:
    fields = [field for field in PREDICTIONS if field.name in _COLUMNS]
    schema = pa.schema([*fields, *feature_fields(task.features)])
    table = lake.read(predictions_name(task.name), schema=schema, since=since, until=until)
    left_out = pc.is_in(table["variant"], value_set=pa.array(without))
    return distinct_predictions(table.filter(pc.invert(left_out)) if pc.any(left_out).as_py() else table)
