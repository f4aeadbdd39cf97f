"""How results are written: as parts while the job runs, then as one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from tropism.serving.tabular.bodies import encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tropism.entrypoints.scoring.plan import Form

_GROUP = 512 * 1024
"""Rows of a row group, or of a batch, of the finished file, at least."""
_COPIED = 1 << 20
MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv",
    "json-lines": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


def part_bytes(table: pa.Table, form: Form) -> bytes:
    """A part's results. Text is as it will stand in the file; the other formats are put together from Arrow."""
    if form == "csv":
        sink = pa.BufferOutputStream()
        pacsv.write_csv(table, sink, pacsv.WriteOptions(include_header=False))
        return bytes(sink.getvalue())
    return encode(table, MEDIA_TYPES[form if form == "json-lines" else "arrow"])


def assemble(parts: Iterable[Path], path: Path, schema: pa.Schema, form: Form) -> None:
    """Writes the results of all parts, in this order, into one file.

    Raises:
        OSError: it cannot be written.
    """
    if form in ("csv", "json-lines"):
        _join(parts, path, encode(schema.empty_table(), MEDIA_TYPES[form]))
    elif form == "parquet":
        with pq.ParquetWriter(path, schema) as writer:
            for table in _gathered(parts, schema):
                writer.write_table(table)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as ipc_writer:
            for table in _gathered(parts, schema):
                ipc_writer.write_table(table)


def join(parts: Iterable[Path], path: Path) -> None:
    """Writes files one after the other into one."""
    _join(parts, path, b"")


def _join(parts: Iterable[Path], path: Path, start: bytes) -> None:
    with path.open("wb") as whole:
        whole.write(start)
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(_COPIED):
                    whole.write(block)


def _gathered(parts: Iterable[Path], schema: pa.Schema) -> Iterable[pa.Table]:
    """Tables of many parts each."""
    waiting: list[pa.Table] = []
    for part in parts:
        with pa.memory_map(str(part)) as mapped, pa.ipc.open_stream(mapped) as reader:
            waiting.append(reader.read_all().cast(schema))
        if sum(table.num_rows for table in waiting) >= _GROUP:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()
