"""CSV bodies: RFC 4180 with a header; commas, semicolons, tabs or bars between cells."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.csv as pacsv

from tropism.core.errors import Fault, MalformedBody
from tropism.serving.tabular.base import Codec, Limits, malformed, within
from tropism.serving.tabular.checking import check, strictly
from tropism.serving.tabular.columns import CARRIED, lay_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tropism.core.task import Task

DELIMITERS = ",;\t|"
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_HEADER = 1 << 20


class CsvCodec(Codec):
    """Cells are text until their feature says what they are."""

    media_types: ClassVar[tuple[str, ...]] = ("text/csv", "application/csv")

    def decode(self, body: bytes, task: Task, limits: Limits) -> pa.Table:
        names, delimiter = header(body[:_LONGEST_HEADER], task)
        layout = lay_out(names, task)
        _require_closed_quotes(body, delimiter)
        try:
            table = pacsv.read_csv(
                pa.BufferReader(body),
                read_options=named(names),
                parse_options=parsing(names, delimiter),
                convert_options=as_text(layout.present),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise unreadable(error) from error
        within(table.num_rows, limits)
        return strictly(check(table, task, layout, limits.latest, is_text=True))

    def encode(self, table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pacsv.write_csv(table, sink)
        return bytes(sink.getvalue())


def named(names: list[str]) -> pacsv.ReadOptions:
    """Columns of these names; the first record is passed over. In one thread, so that errors know their row."""
    return pacsv.ReadOptions(use_threads=False, column_names=names, skip_rows_after_names=1)


def parsing(names: list[str], delimiter: str, **options: Any) -> pacsv.ParseOptions:
    """Cells may hold line ends when quoted. An empty line counts only where it is a row with one empty cell."""
    return pacsv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1, **options
    )


def as_text(columns: Iterable[str]) -> pacsv.ConvertOptions:
    """Some columns as text, an empty cell as null; the others are left out."""
    names = list(columns)
    return pacsv.ConvertOptions(
        include_columns=names,
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )


def header(start: bytes, task: Task, kept: Collection[str] = ()) -> tuple[list[str], str]:
    """Names in the first record, and the delimiter: the one that gives the most names that are known.

    Raises:
        MalformedBody: there is no header in UTF-8.
    """
    if start.startswith(_UTF16):
        raise MalformedBody("the CSV is not UTF-8", Fault("body", "UTF-16", "save it as UTF-8"))
    try:
        text = start.decode("utf-8-sig", "ignore" if len(start) == _LONGEST_HEADER else "strict")
    except UnicodeDecodeError as error:
        raise unreadable(error) from error
    if not text.strip():
        raise MalformedBody("the CSV is empty", Fault("body", "nothing", "send a line of names, then the rows"))
    known = {*task.feature_names, *CARRIED, *kept}
    best: list[str] = []
    chosen, most = ",", (-1, 0)
    for delimiter in DELIMITERS:
        try:
            names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error as error:
            raise unreadable(error) from error
        fit = (len(known.intersection(name.strip() for name in names)), len(names))
        if fit > most:
            best, chosen, most = [name.strip() for name in names], delimiter, fit
    return best, chosen


def unreadable(error: Exception) -> MalformedBody:
    """The error for what a CSV parser could not read."""
    if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
        fix = "save it as UTF-8"
        return MalformedBody("the CSV is not UTF-8", Fault("body", str(error)[:120], fix))
    found = _RAGGED.search(str(error))
    if found is not None:
        row, width, cells = (int(number) for number in found.groups())
        fix = f"give it {width} cells, as the header has; quote a cell that holds the delimiter"
        fault = Fault(f"row {row - 1}", f"{cells} cells", fix)
        return MalformedBody(f"row {row - 1} has {cells} cells, not {width}", fault)
    return malformed("CSV", error, "send a line of names, then the rows; quote cells that hold commas or line ends")


def _require_closed_quotes(body: bytes, delimiter: str) -> None:
    """A quotation mark that is never closed would swallow all rows after it into one cell."""
    if body.count(b'"') % 2 == 0:
        return
    last = 0
    try:
        text = io.StringIO(body.decode("utf-8-sig"), newline="")
        for last, _ in enumerate(csv.reader(text, delimiter=delimiter, strict=True), start=1):  # noqa: B007
            pass
    except UnicodeDecodeError as error:
        raise unreadable(error) from error
    except csv.Error as error:
        fault = Fault(f"row {last}", str(error)[:80], 'close the quotation mark, or write "" for one inside a cell')
        raise MalformedBody(f"a quotation mark is never closed, in row {last}", fault) from error
