"""CSV files as columns of text, with the line of every row at hand for error messages."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv

from tropism.core.errors import DataInvalid, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How a file is written. `doubtful_header`: a cell of the first line is a number."""

    encoding: str
    delimiter: str
    doubtful_header: bool = False


def read_delimited(path: Path) -> tuple[pa.Table, Dialect, tuple[str, ...]]:
    """Columns as text, how the file is written, and sentences about what was found out.

    Lines may end in LF, CRLF or CR. Cells may hold line ends when quoted. Empty lines are skipped.

    Raises:
        DataInvalid: not text, no header, an unclosed quote, or a row with too few or too many cells.
    """
    encoding, quotes = _scan(path)
    header, delimiter = _header(path, encoding)
    _require_header(path, header)
    dialect = Dialect(encoding, delimiter, any(map(is_number, header)))
    if quotes % 2:
        _require_closed_quotes(path, dialect)
    table = _read(path, dialect, len(header))
    notes = []
    if encoding == "latin-1":
        notes.append("encoding: latin-1, because the file is not valid UTF-8")
    if delimiter != ",":
        notes.append(f"delimiter: the cells are separated by {_DELIMITERS[delimiter]}")
    if header[0] == "":
        header, table = header[1:], table.remove_column(0)
        notes.append("the first column has no name and was left out")
    unnamed = [str(position + 1) for position, name in enumerate(header) if not name]
    if unnamed:
        fault = Fault("header", f"no name for column {', '.join(unnamed)}", "name every column")
        raise DataInvalid(f"{path}, line 1: a column has no name", fault)
    return table.rename_columns(header), dialect, tuple(notes)


def line_of(path: Path, dialect: Dialect, row: int) -> int | None:
    """The line, counted from 1, on which a data row (counted from 0) begins; None if it cannot be told.

    Read again with the slow, exact parser: it is only asked for when something is wrong.
    """
    try:
        for position, (line, _) in enumerate(_records(path, dialect)):
            if position == row + 1:
                return line
    except (csv.Error, OSError):
        return None
    return None


def is_number(cell: str) -> bool:
    """Whether a header cell is a number, as names seldom are."""
    return _NUMBER.fullmatch(cell) is not None


def _scan(path: Path) -> tuple[str, int]:
    """Encoding, and how many quotation marks there are."""
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", 0
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        encoding = "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"
        quotes = 0
        while block := file.read(_BLOCK):
            if b"\0" in block:
                fix = "save it as CSV or Parquet"
                raise DataInvalid(f"{path} is not a text file", Fault("file", str(path), fix))
            quotes += block.count(b'"')
            if encoding != "latin-1":
                try:
                    decoder.decode(block, final=len(block) < _BLOCK)
                except UnicodeDecodeError:
                    encoding = "latin-1"
    return encoding, quotes


def _records(path: Path, dialect: Dialect, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not an empty line, with the line on which it begins."""
    with path.open(encoding=dialect.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, strict=strict)
        before = 0
        for record in reader:
            if record:
                yield before + 1, record
            before = reader.line_num


def _header(path: Path, encoding: str) -> tuple[list[str], str]:
    """Names in the first record, and the delimiter: the one that splits the next record alike, into most cells."""
    best: tuple[list[str], str] = ([], ",")
    most = (False, 1)
    for delimiter in _DELIMITERS:
        try:
            first, second = islice(chain(_records(path, Dialect(encoding, delimiter)), repeat((0, []))), 2)
        except csv.Error:
            continue
        header = [cell.strip() for cell in first[1]]
        fit = (len(header) > 1 and len(second[1]) in (0, len(header)), len(header))
        if fit > most or not best[0]:
            best, most = (header, delimiter), fit
    if len(best[0]) < 2:
        fix = "give a CSV file whose first line names the columns"
        found = repr(best[0][0][:80]) if best[0] else "nothing"
        raise DataInvalid(f"{path}, line 1: there is only one column", Fault("header", found, fix))
    return best


def _require_header(path: Path, header: list[str]) -> None:
    if all(map(is_number, header)):
        found = ", ".join(header[:6])
        fix = "add a first line with the columns' names"
        raise DataInvalid(
            f"{path}, line 1: there is no header, the first line holds numbers", Fault("header", found, fix)
        )


def _require_closed_quotes(path: Path, dialect: Dialect) -> None:
    last = 1
    try:
        for line, _ in _records(path, dialect, strict=True):
            last = line
    except csv.Error as error:
        fix = 'close the quotation mark, or write "" for one inside a cell'
        raise DataInvalid(
            f"{path}, after line {last}: a quotation mark is never closed",
            Fault("file", f"{error} after line {last}", fix),
        ) from error


def _read(path: Path, dialect: Dialect, width: int) -> pa.Table:
    names = [str(position) for position in range(width)]
    try:
        return pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=0, encoding=_arrow_encoding(dialect)),
            parse_options=pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        ).slice(1)
    except pa.ArrowInvalid as error:
        raise _ragged(path, dialect, width) or DataInvalid(
            f"{path} is not a readable CSV file: {error}", Fault("file", str(path), "check how it was written")
        ) from error


def _arrow_encoding(dialect: Dialect) -> str:
    # Arrow drops a byte order mark itself, but only where it is told plain UTF-8.
    return "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding


def _ragged(path: Path, dialect: Dialect, width: int) -> DataInvalid | None:
    """The error that names the first row with the wrong number of cells."""
    try:
        for line, record in _records(path, dialect):
            if len(record) != width:
                shown = dialect.delimiter.join(record)[:80]
                fix = f"give it {width} cells, as the header has; quote a cell that holds a {dialect.delimiter!r}"
                fault = Fault(f"line {line}", f"{len(record)} cells: {shown!r}", fix)
                return DataInvalid(f"{path}, line {line}: the row has {len(record)} cells, not {width}", fault)
    except csv.Error:
        return None
    return None
