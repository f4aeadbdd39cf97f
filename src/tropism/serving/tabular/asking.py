"""Checked rows of a table as the single rows that serving scores."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import pyarrow as pa

from tropism.core.faults import shown
from tropism.serving.requests import Ask
from tropism.serving.rows import Note
from tropism.serving.tabular.columns import CARRIED, default_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

    from tropism.core.task import Task


def asks(table: pa.Table, task: Task) -> list[Ask]:
    """A table that was decoded for a task, row by row, with the notes that single rows get."""
    names = task.feature_names
    rows = table.select(names).to_pylist()
    used = {name: where for name in names if (where := default_rows(table, name))}
    gaps = [name for name in names if table.column(name).null_count]
    odd = [name for name in names if name in used or name in gaps]
    about = zip(*(_values(table, name, task) for name in CARRIED), strict=True)
    found = []
    for index, (row, beside) in enumerate(zip(rows, about, strict=True)):
        notes = tuple(_notes(row, index, odd, used)) if odd else ()
        found.append(Ask(row, notes, *beside))
    return found


def _notes(
    row: dict[str, Any], index: int, names: Iterable[str], used: Mapping[str, Collection[int]]
) -> Iterator[Note]:
    for name in names:
        value = row[name]
        if index in used.get(name, ()):
            yield Note("default-used", name, f"{name}: not sent, its default {shown(value)} was used")
        elif value is None:
            yield Note("missing-value", name, f"{name}: the value is missing")


def _values(table: pa.Table, name: str, task: Task) -> Iterable[Any]:
    if name in task.feature_names or name not in table.column_names:
        return repeat(None, table.num_rows)
    column = table.column(name)
    values: list[Any] = (column.cast(pa.int64()) if name == "at" else column).to_pylist()
    return values
