"""Parquet files, a row group at a time, and the columns that are needed only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.scoring.sources.base import Cutter, Source, table_part, undictionary, whole_types
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

_BUFFER = 1 << 20
_BATCH = 8_192
"""Rows decoded at once: what is decoded, not a whole row group, is in memory."""


class ParquetSource(Source):
    """Raises `DataInvalid` for a damaged file, `InvalidInput` and its kind for columns that do not fit."""

    form: ClassVar[Form] = "parquet"

    def __init__(self, path: Path, task: Task, chosen: Chosen) -> None:
        try:
            # Read in pieces: a row group may be larger than memory.
            self._file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
            self._schema = self._file.schema_arrow
            names = self._schema.names
        except FAILURES as error:
            fix = "write it again; it is damaged or was cut short"
            raise DataInvalid(
                f"{path} is not a readable Parquet file", Fault(path.name, str(error)[:200], fix)
            ) from error
        super().__init__(path, lay_out(names, task, *chosen))
        check_types(self._schema, self.layout)

    def kept_fields(self) -> list[pa.Field]:
        return whole_types(self._schema, self.layout.kept)

    def parts(self, rows: int, wanted: Callable[[int], bool]) -> Iterator[Part]:
        metadata = self._file.metadata
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        total = max(sum(groups), 1)
        index = next((index for index in range(-(-total // rows)) if wanted(index)), None)
        if index is None or sum(groups) == 0:
            return
        # Row groups that lie before everything that is wanted are not opened.
        passed = start = 0
        while start < len(groups) and passed + groups[start] <= index * rows:
            passed += groups[start]
            start += 1
        tables = self._tables(range(start, len(groups)), index * rows - passed)
        for number, (table, _) in enumerate(Cutter(rows).cut(tables), start=index):
            if wanted(number):
                yield table_part(number, undictionary(table, self.layout.kept), rows, table.num_rows / total)

    def _tables(self, groups: range, skip: int) -> Iterator[tuple[pa.Table, float]]:
        """Rows of some row groups, without the first `skip`."""
        batches = self._file.iter_batches(_BATCH, row_groups=list(groups), columns=list(self.layout.present))
        while True:
            try:
                batch = next(batches, None)
                if batch is not None:
                    batch.validate(full=True)
            except FAILURES as error:
                raise self.damaged(error) from error
            if batch is None:
                return
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            yield pa.Table.from_batches([batch.slice(skip)]).select(self.layout.present), 0.0
            skip = 0
