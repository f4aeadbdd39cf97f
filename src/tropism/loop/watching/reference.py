"""What the monitors of a champion compare with, and from when on they watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import DataInvalid, Fault
from tropism.feedback.joining import moments
from tropism.loop.watching.rows import rows_before
from tropism.monitoring.alarm.losses import LOSS, refer_losses
from tropism.monitoring.alarm.reference import Reference, refer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.loop.watching.rows import Rows
    from tropism.registry import ModelVersion
    from tropism.storage.lake import Lake

FIRST = 1_000
"""Rows served at first that make a reference where there is none from before."""
_FEWEST = 500


class First(NamedTuple):
    """Rows that are normal, where they come from, and the moment (µs) from which on others are compared with them."""

    table: pa.Table
    origin: str
    start: int


def first_rows(lake: Lake, task: Task, version: ModelVersion, since: int, served: Callable[[], pa.Table]) -> First:
    """What a champion was trained on, or the first rows it was `served`, where that is not in the lake.

    Raises:
        DataInvalid: there are too few of either.
    """
    table = rows_before(lake, task, version.created_at, task.monitoring.reference)
    if table.num_rows >= _FEWEST:
        origin = f"the last {table.num_rows:,} rows before version {version.version} was trained"
        return First(table, origin, since)
    return _first_served(served().drop_columns(["scores"]))


def features_reference(task: Task, table: pa.Table, origin: str, ignore: Collection[str] = ()) -> Reference:
    """What the task's features are in rows. One without any value there is not watched: it may be newer than the rows,
    and its first value is no drift.

    Raises:
        DataInvalid: there are too few rows.
    """
    columns = {feature.name: f"f_{feature.name}" for feature in task.features}
    empty = {name for name, column in columns.items() if table[column].null_count == table.num_rows} - {*ignore}
    at, ignored = moments(table, "at"), {*task.monitoring.ignore, *ignore, *empty}
    found = refer(table, at, task.features, ignore=ignored, origin=origin)
    problems = dict.fromkeys(sorted(empty), "it has no value in the reference")
    return msgspec.structs.replace(found, problems=found.problems | problems)


def first_scores(rows: Rows) -> tuple[Reference, int]:
    """A reference of the first predictions. Raises: DataInvalid: there are too few."""
    first = _first_served(rows.table)
    return refer(first.table, moments(first.table, "at"), (), origin=first.origin), first.start


def first_losses(task: Task, rows: Rows) -> tuple[Reference, int]:
    """A reference of the first losses. Raises: DataInvalid: there are too few."""
    count = task.policy.triggers.decay_rows
    if len(rows.at) < count:
        raise _too_few(len(rows.at), count, "outcomes")
    losses, last = rows.table[f"f_{LOSS}"].to_numpy()[:count], int(rows.at[count - 1])
    return refer_losses(losses, int(rows.at[0]), last), last + 1


def _first_served(table: pa.Table) -> First:
    if table.num_rows < FIRST:
        raise _too_few(table.num_rows, FIRST, "predictions")
    first = table.slice(0, FIRST)
    return First(first, f"the first {FIRST:,} rows served", int(moments(first, "at")[-1]) + 1)


def _too_few(found: int, wanted: int, what: str) -> DataInvalid:
    fault = Fault("reference", f"{found} of {wanted} {what}", "wait until there are as many")
    return DataInvalid("there is too little to compare with yet", fault)
