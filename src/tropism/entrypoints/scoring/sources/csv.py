"""CSV files, a block at a time."""

from __future__ import annotations

import csv
import io
from collections import deque
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.csv as pacsv

from tropism.core.errors import DataInvalid, Fault, MalformedBody
from tropism.entrypoints.scoring.parts import Part, Ragged
from tropism.entrypoints.scoring.sources.base import Cutter, Sharing, Source, stream_of
from tropism.serving.tabular.columns import lay_out
from tropism.serving.tabular.csv import as_text, header, named, parsing, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tropism.core.task import Task
    from tropism.entrypoints.scoring.plan import Form
    from tropism.entrypoints.scoring.sources.base import Chosen

_BLOCK = 4 << 20
_HEADER = 1 << 20
_SHOWN = 200


class CsvSource(Source):
    """UTF-8 with a header; commas, semicolons, tabs or bars between cells.

    Raises `DataInvalid` for what cannot be read, `InvalidInput` and its kind for columns that do not fit.
    """

    form: ClassVar[Form] = "csv"

    def __init__(self, path: Path, task: Task, chosen: Chosen) -> None:
        with path.open("rb") as file:
            start = file.read(_HEADER)
        try:
            self._names, self._delimiter = header(start, task, chosen.kept)
        except MalformedBody as error:
            raise _about(path, error) from error
        super().__init__(path, lay_out(self._names, task, *chosen))

    def kept_fields(self) -> list[pa.Field]:
        return [pa.field(name, pa.string()) for name in self.layout.kept]

    def parts(self, rows: int, wanted: Callable[[int], bool]) -> Iterator[Part]:
        ragged: deque[Ragged] = deque()
        sharing, following = Sharing(), 1
        index, held = -1, None
        with self.path.open("rb") as opened:
            file = _Counting(opened)
            size = max(self.path.stat().st_size, 1)
            # One part is held back: what stands after the last row belongs to the last part.
            for index, (table, reached) in enumerate(Cutter(rows).cut(self._tables(file, ragged, size))):
                if held is not None:
                    yield from self._part(held, wanted)
                taken = _taken(ragged, following, table.num_rows)
                held = index, following, table, taken, sharing.share(reached)
                following += table.num_rows + len(taken)
            self._require_closed_quotes(file)
        if held is not None:
            number, first, table, taken, share = held
            yield from self._part((number, first, table, [*taken, *ragged], share), wanted)
        elif ragged:
            table = pa.table({name: pa.array([], pa.string()) for name in self.layout.present})
            yield from self._part((0, 1, table, list(ragged), 1.0), wanted)

    def _part(
        self, held: tuple[int, int, pa.Table, list[Ragged], float], wanted: Callable[[int], bool]
    ) -> Iterator[Part]:
        index, first, table, ragged, share = held
        if wanted(index):
            data = stream_of(table)
            yield Part(index=index, first=first, rows=table.num_rows, data=data, share=share, ragged=tuple(ragged))

    def _tables(self, file: _Counting, ragged: deque[Ragged], size: int) -> Iterator[tuple[pa.Table, float]]:
        def odd(row: Any) -> str:
            # The header is row 1 to the parser.
            text = row.text if len(row.text) <= _SHOWN else f"{row.text[:_SHOWN]}..."
            ragged.append(Ragged(row.number - 1, row.actual_columns, row.expected_columns, text))
            return "skip"

        read = named(self._names)
        read.block_size = _BLOCK
        parse = parsing(self._names, self._delimiter, invalid_row_handler=odd)
        try:
            reader = pacsv.open_csv(pa.PythonFile(file, mode="r"), read, parse, as_text(self.layout.present))
            for batch in reader:
                yield pa.Table.from_batches([batch]), min(file.read_so_far / size, 1.0)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataInvalid:
        if "straddling" in str(error):
            fix = 'close the quotation mark, or write "" for one inside a cell'
            problem = f"a row is longer than {_BLOCK} bytes, or a quotation mark is never closed"
            return DataInvalid(f"{self.path}: {problem}", Fault(self.path.name, "", fix))
        return _about(self.path, unreadable(error))

    def _require_closed_quotes(self, file: _Counting) -> None:
        """A quotation mark that is never closed swallows the rows after it into one cell. Slow, and seldom needed."""
        if file.quotes % 2 == 0:
            return
        row = 0
        with self.path.open(encoding="utf-8-sig", newline="") as text:
            try:
                for row, _ in enumerate(csv.reader(text, delimiter=self._delimiter, strict=True), start=1):  # noqa: B007
                    pass
            except csv.Error as error:
                fix = 'close the quotation mark, or write "" for one inside a cell'
                raise DataInvalid(
                    f"{self.path}: a quotation mark is never closed, in row {row}",
                    Fault(f"row {row}", str(error)[:80], fix),
                ) from error


class _Counting(io.RawIOBase):
    """A file that counts the bytes and the quotation marks that were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read_so_far = self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.read_so_far += len(data)
        self.quotes += data.count(b'"')
        return data


def _taken(ragged: deque[Ragged], first: int, rows: int) -> list[Ragged]:
    """Takes the ragged rows that stand before the last of so many rows that begin with number `first`."""
    found: list[Ragged] = []
    while ragged and ragged[0].row <= first + rows - 1 + len(found):
        found.append(ragged.popleft())
    return found


def _about(path: Path, error: MalformedBody) -> DataInvalid:
    """The same error about a file."""
    faults = (Fault(path.name if one.field == "body" else one.field, one.value, one.fix) for one in error.faults)
    message = error.message.replace("the body", "the file")
    return DataInvalid(f"{path}: {message}", *faults)
