"""Files with the history of a stream, as rows of its table in the lake."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features import CsvSource, ParquetSource
from tropism.features.checks.checking import check
from tropism.features.checks.reports import Report
from tropism.features.checks.rules import Fresh
from tropism.features.offline.columns import fitted
from tropism.features.offline.reading import read_source
from tropism.features.offline.refusals import unreadable
from tropism.features.streams.columns import EARLIEST, LATEST, MOST_KEY, MOST_TEXT
from tropism.features.types import dtype

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from tropism.features import StreamSource

NUMBER = ""
"""The column with the number of a row in its file, from 1 on; no column of a stream can have this name."""
_DIGITS = 16


class History(NamedTuple):
    """`writer`: what the lake knows the file's content by. `events`: the stream's columns and `NUMBER`, without what
    rules keep out. `rows`: of the file. `report`: of the rules."""

    writer: str
    events: pa.Table
    rows: int
    report: Report


def read_history(
    path: Path, source: StreamSource, keys: Collection[str], now: int, arrived: str | None = None
) -> History:
    """Reads a Parquet or CSV file with the columns of a stream, as the stream has them; others are ignored.

    `keys`: columns by which views find entities; neither they nor the timestamp may be missing in a row. `arrived`: the
    column that says when an event arrived; without it the column named as `source.created`, or else the timestamp.
    Rules of freshness are left out: history is old.

    Raises:
        DataInvalid: the file or a value in it cannot be used; or a rule of policy `stop` is broken.
        InvalidInput: as `check`.
    """
    writer, parquet = _identified(path)
    wanted = [name for name in source.schema if name != source.created]
    arrival = arrived or (source.created if source.created in _names(path, parquet) else source.timestamp)
    made = (ParquetSource if parquet else CsvSource)(path=str(path.resolve()), timestamp=source.timestamp)
    raw = read_source(made, list(dict.fromkeys([*wanted, arrival])), path.parent)
    if _identified(path)[0] != writer:
        raise DataInvalid(f"{path} was changed while it was read", Fault("file", str(path), "do it again"))
    if not parquet:
        raw = _as_written(path, raw, [name for name in wanted if source.schema[name] == "text"])
    columns = {name: fitted(raw[name], dtype(kind), name) for name, kind in source.schema.items() if name in wanted}
    columns[source.created] = pc.coalesce(fitted(raw[arrival], dtype("time"), arrival), columns[source.timestamp])
    table = pa.table({name: columns[name] for name in source.schema})
    _require_usable(path, table, source, keys, now)
    table = table.append_column(NUMBER, pa.array(range(1, len(table) + 1), pa.int64()))
    found = check(table, [rule for rule in source.rules if not isinstance(rule, Fresh)], now)
    if found.report.stopped:
        raise DataInvalid(f"{path} breaks a rule of '{source.name}'", *found.report.faults)
    events = found.table
    for name in (source.timestamp, *keys):  # a rule took it out, and the event with it, as when it is pushed
        events = events.filter(events[name].is_valid())
    return History(writer, events, len(table), found.report)


def _identified(path: Path) -> tuple[str, bool]:
    """What the file's content is known by, and whether it is Parquet."""
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
            file.seek(0)
            return f"history:{hashlib.file_digest(file, 'sha256').hexdigest()[:_DIGITS]}", parquet
    except OSError as error:
        fix = "name a Parquet or CSV file that this user may read"
        raise DataInvalid(f"{path} cannot be read: {error.strerror}", Fault("file", str(path), fix)) from error


def _names(path: Path, parquet: bool) -> list[str]:
    from pyarrow import csv
    from pyarrow import parquet as files

    try:
        if parquet:
            return list(files.read_schema(path).names)
        with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True)) as opened:
            return list(opened.schema.names)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, "Parquet" if parquet else "CSV", error) from error


def _as_written(path: Path, table: pa.Table, texts: Sequence[str]) -> pa.Table:
    """With columns of text as they stand in a CSV file, where they were read as numbers or truth: `1.50`, `True`."""
    from pyarrow import csv

    turned = [name for name in texts if name in table.column_names and table[name].type != pa.string()]
    if not turned:
        return table
    convert = csv.ConvertOptions(
        include_columns=turned,
        column_types=dict.fromkeys(turned, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    try:
        found = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, "CSV", error) from error
    for name in turned:
        table = table.set_column(table.schema.get_field_index(name), name, found[name])
    return table


def _require_usable(path: Path, table: pa.Table, source: StreamSource, keys: Collection[str], now: int) -> None:
    """Refuses what would be refused if it were pushed."""
    faults = []
    for name, kind in source.schema.items():
        column = table[name]
        if name in keys or name == source.timestamp:
            faults += _fault(name, column, pc.is_null(column), "it is never null: fill it, or leave the row out")
        if kind == "text":
            length = pc.utf8_length(column)
            most = MOST_KEY if name in keys else MOST_TEXT
            faults += _fault(name, column, pc.greater(length, most), f"use at most {most} characters")
            if name in keys:
                faults += _fault(name, column, pc.equal(length, 0), "a key has at least one character")
        elif kind == "number":
            faults += _fault(name, column, pc.is_inf(column), "use a finite number, or null")
        elif kind == "time":
            latest = now if name in (source.timestamp, source.created) else LATEST
            moments = column.cast(pa.int64())
            outside = pc.or_(pc.less(moments, EARLIEST), pc.greater(moments, latest))
            fix = "use a time up to now" if latest == now else "use a time between the years 1 and 9999"
            faults += _fault(name, column, outside, fix)
    if faults:
        raise DataInvalid(f"{path} has rows that '{source.name}' cannot take", *faults)


def _fault(name: str, column: pa.ChunkedArray, wrong: pa.ChunkedArray, fix: str) -> list[Fault]:
    count = pc.sum(wrong).as_py() or 0
    if not count:
        return []
    row = pc.index(wrong, True).as_py()
    more = f" ({count} rows in all)" if count > 1 else ""
    scalar = column[row]
    shown = str(scalar.cast(pa.string()) if pa.types.is_timestamp(scalar.type) else scalar.as_py())[:80]
    return [Fault(name, f"{'null' if not scalar.is_valid else shown or 'nothing'} in row {row + 1}{more}", fix)]
