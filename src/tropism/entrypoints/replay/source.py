"""A data file as columns: CSV as text, Parquet as it is typed. Nothing is interpreted here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.replay.delimited import Dialect, is_number, line_of, read_delimited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COMPRESSED = {b"PK": "a zip or Excel file", b"\x1f\x8b": "compressed with gzip", b"(\xb5": "compressed with zstd"}


@dataclass(frozen=True)
class Source:
    """A file that was read.

    `columns` holds text for CSV files. `dialect` is None for Parquet. `notes` says what was found out about the
    file itself: its delimiter, its encoding.
    """

    path: Path
    columns: pa.Table
    dialect: Dialect | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return list(self.columns.column_names)

    def place(self, row: int) -> str:
        """Where a data row (counted from 0) stands in the file: `line 17`, or `row 16` for Parquet."""
        line = None if self.dialect is None else line_of(self.path, self.dialect, row)
        return f"row {row + 1}" if line is None else f"line {line}"

    def refusal(self, problem: str, *faults: Fault) -> DataInvalid:
        """The error for a file that cannot be used."""
        return DataInvalid(f"{self.path}: {problem}", *faults)

    def bad_cell(self, column: str, row: int, value: Any, problem: str, fix: str) -> DataInvalid:
        """The error for one cell: names file, line, column and value."""
        place = self.place(row)
        shown = "nothing" if value in (None, "") else repr(str(value)[:80])
        return DataInvalid(f"{self.path}, {place}: {column} {problem}", Fault(column, f"{shown} in {place}", fix))

    def require(self, option: str, name: str) -> None:
        """Raises `DataInvalid` unless the file has the column; suggests the nearest name."""
        if name in self.names:
            return
        nearest = difflib.get_close_matches(name, self.names, n=1, cutoff=0.5)
        lowered = [known for known in self.names if known.lower() == name.lower()]
        guess = f"did you mean {(lowered or nearest)[0]!r}? " if lowered or nearest else ""
        if self.dialect is not None and self.dialect.doubtful_header:
            guess += "does the file have a header? its first line holds numbers; add a line with the columns' names. "
        fix = f"{guess}the file's columns are: {listed(self.names)}"
        raise self.refusal(f"there is no column {name!r}", Fault(option, repr(name), fix))


def read_source(path: Path) -> Source:
    """Reads a file whole. A file that begins with Parquet's mark is Parquet; everything else is CSV.

    Raises:
        DataInvalid: it is missing, a folder, empty, not text, without a header, or a row has the wrong length.
    """
    head = _head(path)
    if head[:4] == b"PAR1":
        return _read_parquet(path)
    for mark, what in _COMPRESSED.items():
        if head.startswith(mark):
            fix = "unpack it first, or save it as CSV or Parquet"
            raise DataInvalid(f"{path} is {what}, not CSV or Parquet", Fault("file", str(path), fix))
    columns, dialect, notes = read_delimited(path)
    return _with_rows(Source(path, columns, dialect, notes))


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names for a sentence, the first `most` of them.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(str(name)[:60] for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise DataInvalid(f"{path} is a folder", Fault("file", str(path), "name a CSV or Parquet file in it"))
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise DataInvalid(f"there is no file {path}", Fault("file", str(path), _nearby(path))) from None
    except OSError as error:
        fix = f"make it readable ({error.strerror})"
        raise DataInvalid(f"{path} cannot be read", Fault("file", str(path), fix)) from error
    if not head.strip():
        raise DataInvalid(f"{path} is empty", Fault("file", str(path), "give a file with a header and rows"))
    return head


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either; check the path"
    files = sorted(
        entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in (".csv", ".tsv", ".parquet")
    )
    nearest = difflib.get_close_matches(path.name, files, n=1)
    return f"did you mean {path.parent / nearest[0]}?" if nearest else "check the path"


def _read_parquet(path: Path) -> Source:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        fix = "write it again; it is damaged or was cut short"
        raise DataInvalid(f"{path} is not a readable Parquet file: {error}", Fault("file", str(path), fix)) from error
    return _with_rows(Source(path, table))


def _with_rows(source: Source) -> Source:
    if source.columns.num_rows == 0:
        found = "a header only" if source.dialect is not None else "no rows"
        raise source.refusal(f"the file has {found}", Fault("file", str(source.path), "give a file with rows"))
    names = source.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        fix = "give every column a name of its own"
        raise source.refusal("two columns have the same name", *(Fault("header", repr(name), fix) for name in twice))
    if source.dialect is not None and not any(_is_name(source, name) for name in names):
        fix = "add a first line with the columns' names"
        fault = Fault("header", listed(names, 6), fix)
        raise source.refusal("there is no header, the first line looks like a row of data", fault)
    return source


def _is_name(source: Source, name: str) -> bool:
    """Whether a header cell can be told from the data below it: no number, and not a value of its own column."""
    if is_number(name):
        return False
    below = pc.utf8_trim_whitespace(source.columns.column(name))
    return not pc.any(pc.equal(below, name), min_count=0).as_py()
