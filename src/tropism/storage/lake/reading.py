"""Which files of a table can hold the rows asked for, and which of their rows are."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from deltalake import DeltaTable

MOMENT = pa.timestamp("us", "UTC")
_PRECISION = 1_000
"""Delta's statistics are in whole milliseconds, rounded down; µs."""


class Selection(NamedTuple):
    """Columns and rows to read; see `Lake.read`."""

    columns: Sequence[str] | None = None
    schema: pa.Schema | None = None
    since: int | None = None
    until: int | None = None
    time: str = "at"
    ids: Collection[str] | None = None

    @property
    def empty(self) -> pa.Table:
        """What is read from a table that does not exist."""
        return (self.schema or pa.schema([])).empty_table()


def index_of(delta: DeltaTable) -> pa.Table:
    """The table's files with their statistics, a row each."""
    return pa.table(delta.get_add_actions(flatten=True))


def files_of(index: pa.Table, folder: Path, selection: Selection) -> list[str]:
    """Paths of the files that may hold selected rows, by their statistics."""
    # Addresses come percent-encoded; the files of a table without partitions all lie in its folder.
    return [str(folder / uri.rpartition("/")[2]) for uri in _within(index, selection)["path"].to_pylist()]


def rows_within(index: pa.Table, selection: Selection) -> int:
    """Rows in the files that may hold selected ones."""
    return int(pc.sum(_within(index, selection)["num_records"]).as_py() or 0)


def _within(index: pa.Table, selection: Selection) -> pa.Table:
    limits = list(_limits(index, selection))
    return index.filter(reduce(pc.and_, limits)) if limits else index


def schema_of(delta: DeltaTable) -> pa.Schema:
    """The table's columns in Arrow's types."""
    return pa.schema(delta.schema().to_arrow())


def read_files(
    files: Sequence[str], existing: pa.Schema, selection: Selection, upto: Mapping[str, int] | None
) -> pa.Table:
    """The selected rows in `files` of a table with the columns `existing`; with `upto`, those within positions."""
    wanted = selection.schema
    if wanted is None:
        wanted = existing if selection.columns is None else pa.schema([existing.field(c) for c in selection.columns])
    if not files:
        return wanted.empty_table()
    # Columns that only the filter needs are part of the data set, not of the result.
    rest = [field for field in existing if wanted.get_field_index(field.name) < 0]
    data = ds.dataset(files, schema=pa.schema([*wanted, *rest]), format="parquet")
    return data.to_table(columns=wanted.names, filter=_expression(selection, upto))


def _limits(index: pa.Table, selection: Selection) -> Iterator[pa.ChunkedArray]:
    """Which files are within one limit, for each limit; a file without statistics is within all of them."""
    least, most = f"min.{selection.time}", f"max.{selection.time}"
    if selection.since is not None and most in index.column_names:
        yield _or_unknown(pc.greater(index[most], pa.scalar(selection.since - _PRECISION, MOMENT)))
    if selection.until is not None and least in index.column_names:
        yield _or_unknown(pc.less(index[least], pa.scalar(selection.until, MOMENT)))
    if selection.ids and "min.id" in index.column_names:
        yield _or_unknown(pc.less_equal(index["min.id"], max(selection.ids)))
        yield _or_unknown(pc.greater_equal(index["max.id"], min(selection.ids)))


def _or_unknown(within: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(within, fill_value=True)


def _expression(selection: Selection, upto: Mapping[str, int] | None) -> pc.Expression | None:
    parts = []
    if selection.since is not None:
        parts.append(pc.field(selection.time) >= pa.scalar(selection.since, MOMENT))
    if selection.until is not None:
        parts.append(pc.field(selection.time) < pa.scalar(selection.until, MOMENT))
    if selection.ids is not None:
        parts.append(pc.field("id").isin(pa.array(sorted(selection.ids), pa.string())))
    if upto is not None:
        within = [(pc.field("writer") == writer) & (pc.field("seq") <= seq) for writer, seq in upto.items()]
        parts.append(reduce(lambda one, other: one | other, within, pc.scalar(False)))
    return reduce(lambda one, other: one & other, parts) if parts else None
