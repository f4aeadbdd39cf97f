"""Reads the rows of a source: files, Delta tables, databases and tables of the lake, all in the same form."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault, InvalidInput, TropismError
from tropism.features.offline.columns import decoded, family, moments
from tropism.features.offline.refusals import require_columns, unreadable
from tropism.features.sources import CsvSource, DeltaSource, LakeSource, ParquetSource, SqlSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.features.sources import AnySource

    Lake = Callable[[str, Sequence[str]], pa.Table]

_BUFFER = 1 << 20


def read_source(source: AnySource, columns: Sequence[str], root: Path, lake: Lake | None = None) -> pa.Table:
    """The columns asked for, then the source's `timestamp` and `created`, of all rows in the order they lie in.

    Those two are of type timestamp[us, UTC]: times without a zone are taken as UTC, dates as their midnight there.
    Nothing but these columns is read. Files count in the order of their paths, which are relative to `root`. `lake`
    reads columns of a table of the lake.

    Raises:
        DataInvalid: a file or a column is missing, cannot be read, or differs from file to file; or a time is none.
        InvalidInput: the source cannot be read so: a stream, a URL that is none.
        NotReady: the database does not answer.
        MissingExtra: its driver is not installed.
    """
    times = [source.timestamp, *([source.created] if source.created else [])]
    wanted = list(dict.fromkeys([*columns, *times]))
    if isinstance(source, ParquetSource):
        files = _files(source.path, root, ".parquet")
        return _alike([(str(file), _normal(_parquet(file, wanted), times)) for file in files])
    return _normal(_rows(source, wanted, root, lake), times)


def _rows(source: AnySource, wanted: Sequence[str], root: Path, lake: Lake | None) -> pa.Table:
    if isinstance(source, CsvSource):
        from tropism.features.offline.csv_files import read_csv

        return read_csv(_files(source.path, root, ".csv"), wanted)
    if isinstance(source, DeltaSource):
        return _delta(source.path, wanted, root)
    if isinstance(source, SqlSource):
        from tropism.features.offline.sql import read_sql

        return read_sql(source.url, source.query, wanted, root)
    if not isinstance(source, LakeSource):
        fix = "read its history from the lake, where its events are kept"
        raise InvalidInput("a stream has no files to read", Fault("source", type(source).__name__, fix))
    if lake is None:
        raise InvalidInput("there is no lake to read from", Fault("lake", source.table, "pass what reads the lake"))
    table = lake(source.table, wanted)
    require_columns(table.column_names, wanted, f"the lake's table '{source.table}'")
    return table.select(wanted)


def _files(path: str, root: Path, suffix: str) -> list[Path]:
    place = root / path
    if place.is_file():
        return [place]
    if place.is_dir():
        inside = (file for file in place.rglob(f"*{suffix}") if file.is_file())
        found = sorted(file for file in inside if not _hidden(file.relative_to(place)))
        fix = f"put *{suffix} files into the folder, or name a pattern of the files' names"
    else:
        # Path.glob takes no absolute patterns, and the root may hold characters that are special in one.
        matches = glob.glob(path, root_dir=root, recursive=True)  # noqa: PTH207
        found = sorted(root / match for match in matches if (root / match).is_file())
        fix = "name a file, a folder or a pattern that is there, relative to the project's folder"
    if not found:
        raise DataInvalid("there are no files at the path of a source", Fault("path", repr(path)[:80], fix))
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _parquet(file: Path, wanted: Sequence[str]) -> pa.Table:
    from pyarrow import parquet

    try:
        # Local files gain nothing from being loaded ahead, which would take their size in memory once more.
        with parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as opened:
            require_columns(opened.schema_arrow.names, wanted, str(file))
            return opened.read(columns=list(wanted)).select(list(wanted))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, "Parquet", error) from error


def _delta(path: str, wanted: Sequence[str], root: Path) -> pa.Table:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    place = path if "://" in path else str(root / path)
    try:
        table = DeltaTable(place)
        require_columns([field.name for field in table.schema().fields], wanted, f"the Delta table {path}")
        return table.to_pyarrow_table(columns=list(wanted)).select(list(wanted))
    except TropismError:
        raise
    except (DeltaError, TableNotFoundError, pa.ArrowException, OSError) as error:
        raise unreadable(path, "Delta", error) from error


def _normal(table: pa.Table, times: Sequence[str]) -> pa.Table:
    """With time columns in µs UTC and without dictionary encoding."""
    columns = {
        name: moments(table[name], name) if name in times else decoded(table[name]) for name in table.schema.names
    }
    return pa.table(columns)


def _alike(tables: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """The tables of files as one; a column may differ in width from file to file, and be empty in some."""
    kinds: dict[str, tuple[str, str]] = {}
    for file, table in tables:
        for field in table.schema:
            kind = family(field.type)
            if kind == "null":
                continue
            first, seen = kinds.setdefault(field.name, (file, kind))
            if seen != kind:
                fix = f"write it as in {first}, where it is {seen}"
                raise DataInvalid(f"{file} differs from the other files", Fault(field.name, str(field.type), fix))
    try:
        return pa.concat_tables([table for _, table in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = str(error).strip().partition("\n")[0][:80]
        fix = "write all files with the same types"
        raise DataInvalid("the files of a source differ in a column's type", Fault("path", reason, fix)) from error
