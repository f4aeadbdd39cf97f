"""What every kind of file has: columns known beforehand, and parts in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.scoring.parts import Part
from tropism.serving.tabular.columns import CARRIED_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tropism.entrypoints.scoring.plan import Form
    from tropism.serving.tabular.columns import Layout


class Chosen(NamedTuple):
    """Columns beside the task's own: those to hand back, and those to leave out. `*` stands for all others."""

    kept: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Source(ABC):
    """A file that is scored. `layout`: its columns by what they are for."""

    form: ClassVar[Form]

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout

    @abstractmethod
    def kept_fields(self) -> list[pa.Field]:
        """The columns to hand back as they are."""

    @abstractmethod
    def parts(self, rows: int, wanted: Callable[[int], bool]) -> Iterator[Part]:
        """Parts of so many rows, in order; those with a number that is not wanted are left out.

        The same file gives the same parts, whatever is wanted.

        Raises:
            DataInvalid: the file is damaged there.
        """

    @property
    def beside(self) -> pa.Schema:
        """What stands beside a prediction in the result: who and when it is for, and the columns to hand back."""
        carried = [pa.field(name, CARRIED_TYPES[name]) for name in self.layout.carried]
        return pa.schema([*carried, *self.kept_fields()])

    @property
    def width(self) -> int:
        return max(len(self.layout.present), 1)

    def damaged(self, error: object, fix: str = "write it again; it is damaged or was cut short") -> DataInvalid:
        """The error for a file that cannot be read on."""
        said = str(error).strip().partition("\n")[0][:200]
        return DataInvalid(f"{self.path} cannot be read", Fault(self.path.name, said, fix))


def whole_types(schema: pa.Schema, names: Iterable[str]) -> list[pa.Field]:
    """Fields by their names, without dictionaries."""
    fields = []
    for name in names:
        kind = schema.field(name).type
        fields.append(pa.field(name, kind.value_type if pa.types.is_dictionary(kind) else kind))
    return fields


def undictionary(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """The table with some columns without their dictionaries."""
    for name in names:
        kind = table.schema.field(name).type
        if pa.types.is_dictionary(kind):
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind.value_type))
    return table


class Cutter:
    """Cuts tables of any length into parts of one length.

    >>> cutter = Cutter(2)
    >>> tables = [(pa.table({"a": [1, 2, 3]}), 0.5), (pa.table({"a": [4, 5]}), 1.0)]
    >>> [part["a"].to_pylist() for part, _ in cutter.cut(tables)]
    [[1, 2], [3, 4], [5]]
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def cut(self, tables: Iterable[tuple[pa.Table, float]]) -> Iterator[tuple[pa.Table, float]]:
        """Each with how much of the file is read: 0 to 1."""
        waiting: list[pa.Table] = []
        count, reached = 0, 0.0
        for table, reached in tables:
            waiting.append(table)
            count += table.num_rows
            while count >= self._rows:
                whole = pa.concat_tables(waiting)
                yield whole.slice(0, self._rows), reached
                waiting, count = [whole.slice(self._rows)], count - self._rows
        if count:
            yield pa.concat_tables(waiting), reached


class Sharing:
    """Turns how much of a file was read so far into the share of each part."""

    def __init__(self) -> None:
        self._before = 0.0

    def share(self, reached: float) -> float:
        share, self._before = max(reached - self._before, 0.0), max(reached, self._before)
        return share


def stream_of(table: pa.Table) -> memoryview:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def table_part(index: int, table: pa.Table, rows: int, share: float) -> Part:
    """A part of a file whose rows are all there. `rows`: of each part before it."""
    return Part(index=index, first=index * rows + 1, rows=table.num_rows, data=stream_of(table), share=share)
