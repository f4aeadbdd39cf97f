"""Parquet bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.serving.tabular.base import Codec, Limits, malformed, oversized, within
from tropism.serving.tabular.checking import check, check_types, strictly
from tropism.serving.tabular.columns import lay_out
from tropism.serving.tabular.parquet_pages import extent
from tropism.serving.tabular.typed_cells import is_text

if TYPE_CHECKING:
    from tropism.core.task import Task

_FIX = "send a whole Parquet file; it is damaged, cut off, or something else"
_MOST_THRIFT = 1 << 24
FAILURES = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, NotImplementedError)
"""What reading damaged bytes raises. Arrow's own errors derive from built-in ones, not all from its own base."""


class ParquetCodec(Codec):
    """A body is a whole file. Pages are measured before they are decompressed, and texts before they are spread."""

    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.apache.parquet", "application/x-parquet")

    def decode(self, body: bytes, task: Task, limits: Limits) -> pa.Table:
        try:
            found = extent(body)
            schema = _open(body, ()).schema_arrow
            names = schema.names
        except FAILURES as error:
            raise malformed("a Parquet file", error, _FIX) from error
        within(found.rows, limits)
        layout = lay_out(names, task)
        check_types(schema, layout)
        if found.size > limits.size:
            raise oversized(found.size, limits)
        texts = [name for name in layout.present if is_text(schema.field(name).type)]
        try:
            table = _open(body, texts).read(columns=list(layout.present), use_threads=False)
            table.validate(full=True)
        except FAILURES as error:
            raise malformed("a Parquet file", error, _FIX) from error
        within(table.num_rows, limits)
        return strictly(check(table, task, layout, limits.latest))

    def encode(self, table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        return bytes(sink.getvalue())


def _open(body: bytes, texts: list[str] | tuple[str, ...]) -> pq.ParquetFile:
    """The file; columns of `texts` are read with their dictionaries."""
    return pq.ParquetFile(
        pa.BufferReader(body),
        read_dictionary=list(texts),
        pre_buffer=False,
        thrift_string_size_limit=_MOST_THRIFT,
        thrift_container_size_limit=_MOST_THRIFT,
        arrow_extensions_enabled=False,
    )
