"""Arrow IPC files and streams, mapped into memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.scoring.sources.base import Cutter, Source, table_part, undictionary, whole_types
from tropism.serving.tabular.arrow import MARK
from tropism.serving.tabular.arrow_buffers import message_size
from tropism.serving.tabular.checking import check_types
from tropism.serving.tabular.columns import lay_out
from tropism.serving.tabular.parquet import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tropism.core.task import Task
    from tropism.entrypoints.scoring.parts import Part
    from tropism.entrypoints.scoring.plan import Form
    from tropism.entrypoints.scoring.sources.base import Chosen


class ArrowSource(Source):
    """Raises `DataInvalid` for a damaged file, `InvalidInput` and its kind for columns that do not fit."""

    form: ClassVar[Form] = "arrow"

    def __init__(self, path: Path, task: Task, chosen: Chosen) -> None:
        try:
            with pa.ipc.open_stream(_mapped(path)) as reader:
                self._schema = reader.schema
                names = self._schema.names
        except FAILURES as error:
            fix = "write it again; it is damaged or was cut short"
            raise DataInvalid(
                f"{path} is not a readable Arrow file", Fault(path.name, str(error)[:200], fix)
            ) from error
        super().__init__(path, lay_out(names, task, *chosen))
        check_types(self._schema, self.layout)

    def kept_fields(self) -> list[pa.Field]:
        return whole_types(self._schema, self.layout.kept)

    def parts(self, rows: int, wanted: Callable[[int], bool]) -> Iterator[Part]:
        total = self._count()
        for index, (table, _) in enumerate(Cutter(rows).cut(self._tables())):
            if wanted(index):
                yield table_part(index, undictionary(table, self.layout.kept), rows, table.num_rows / total)

    def _count(self) -> int:
        """Rows of the whole file, by what its batches say."""
        try:
            messages = pa.ipc.MessageReader.open_stream(_mapped(self.path))
            return sum(message_size(message).rows for message in messages)
        except (*FAILURES, struct.error) as error:
            raise self.damaged(error) from error

    def _tables(self) -> Iterator[tuple[pa.Table, float]]:
        with pa.ipc.open_stream(_mapped(self.path)) as reader:
            while True:
                try:
                    batch = reader.read_next_batch()
                    batch.validate(full=True)
                except StopIteration:
                    return
                except FAILURES as error:
                    raise self.damaged(error) from error
                yield pa.Table.from_batches([batch]).select(self.layout.present), 0.0


def _mapped(path: Path) -> pa.MemoryMappedFile:
    """The stream in a file, which is one itself or has one between its marks."""
    mapped = pa.memory_map(str(path))
    if mapped.read(len(MARK)) != MARK:
        mapped.seek(0)
    return mapped
