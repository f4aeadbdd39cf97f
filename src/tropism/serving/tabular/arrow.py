"""Arrow IPC bodies: the stream format, and files, which are streams between two marks."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from tropism.serving.tabular.arrow_buffers import message_size
from tropism.serving.tabular.base import Codec, Limits, malformed, oversized, within
from tropism.serving.tabular.checking import check, check_types, strictly
from tropism.serving.tabular.columns import lay_out

if TYPE_CHECKING:
    from tropism.core.task import Task

MARK = b"ARROW1\0\0"
_FIX = "send a whole Arrow IPC stream or file; it is damaged, cut off, or something else"
_FAILURES = (pa.ArrowException, OSError, ValueError, IndexError, EOFError, struct.error, NotImplementedError)
_END = (b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\0")


class ArrowStreamCodec(Codec):
    """Messages are measured before they are decompressed. A file is read as the stream that it holds."""

    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.apache.arrow.stream",)

    def decode(self, body: bytes, task: Task, limits: Limits) -> pa.Table:
        stream = pa.py_buffer(body)
        if body.startswith(MARK):
            if not body.endswith(MARK.rstrip(b"\0")):
                raise malformed("an Arrow IPC file", "its end is missing", _FIX)
            stream = stream.slice(len(MARK))
        try:
            schema = pa.ipc.read_schema(pa.BufferReader(stream))
            names = schema.names
        except _FAILURES as error:
            raise malformed("an Arrow IPC stream", error, _FIX) from error
        layout = lay_out(names, task)
        check_types(schema, layout)
        try:
            rows, size = _measure(stream)
        except _FAILURES as error:
            raise malformed("an Arrow IPC stream", error, _FIX) from error
        within(rows, limits)
        if size > limits.size:
            raise oversized(size, limits)
        try:
            table = pa.ipc.open_stream(pa.BufferReader(stream)).read_all()
            table.validate(full=True)
        except _FAILURES as error:
            raise malformed("an Arrow IPC stream", error, _FIX) from error
        within(table.num_rows, limits)
        return strictly(check(table.select(layout.present), task, layout, limits.latest))

    def encode(self, table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())


class ArrowFileCodec(ArrowStreamCodec):
    """The same with the marks and the footer of a file."""

    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.apache.arrow.file",)

    def encode(self, table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())


def _measure(stream: pa.Buffer) -> tuple[int, int]:
    """Rows and decompressed bytes of all messages. Raises `ValueError` if the stream does not come to its end."""
    rows = size = 0
    source = pa.BufferReader(stream)
    for message in pa.ipc.MessageReader.open_stream(source):
        found = message_size(message)
        if found.rows < 0 or found.size < 0:
            raise ValueError("a length is negative")
        rows, size = rows + found.rows, size + found.size
    # A stream that is cut off between two messages reads like one that ended.
    end = source.tell()
    if not bytes(stream.slice(0, end)[max(end - 8, 0) : end]).endswith(_END):
        raise ValueError("the stream has no end")
    return rows, size
