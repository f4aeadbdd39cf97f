"""Which files of a table can hold the rows asked for, and which of their rows are."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tropism.core.clock import iso

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from deltalake import DeltaTable

MOMENT = pa.timestamp("us", "UTC")


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


def files_of(delta: DeltaTable, folder: Path, selection: Selection) -> list[str]:
    """Paths of the files that may hold selected rows, by their statistics."""
    predicate = " AND ".join(_limits(selection)) or None
    # Addresses come percent-encoded; the files of a table without partitions all lie in its folder.
    return [str(folder / uri.rpartition("/")[2]) for uri in delta.file_uris(file_pruning_predicate=predicate)]


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


def _limits(selection: Selection) -> list[str]:
    limits = []
    if selection.since is not None:
        limits.append(f"{selection.time} >= '{iso(selection.since)}'")
    if selection.until is not None:
        limits.append(f"{selection.time} < '{iso(selection.until)}'")
    if selection.ids:
        low, high = (text.replace("'", "''") for text in (min(selection.ids), max(selection.ids)))
        limits.append(f"id >= '{low}' AND id <= '{high}'")
    return limits


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
