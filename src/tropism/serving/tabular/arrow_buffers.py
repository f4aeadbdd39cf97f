"""How large the buffers of an Arrow message are when they are decompressed, and how many rows it says to have.

A compressed buffer begins with its size; the buffers are listed in the message's metadata, a FlatBuffer, of which
only the few fields that matter here are read. https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

_HEADER_TYPE, _HEADER = 1, 2
_DICTIONARY, _RECORDS = 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DATA = 1


class Size(NamedTuple):
    """Rows of a record batch (0 for a dictionary), and bytes of its buffers."""

    rows: int
    size: int


def message_size(message: pa.ipc.Message) -> Size:
    """Rows and decompressed bytes of a message. Raises `ValueError` or `struct.error` for a malformed one."""
    body = memoryview(message.body) if message.body is not None else memoryview(b"")
    table = _Table.root(memoryview(message.metadata))
    kind, header = table.byte(_HEADER_TYPE), table.table(_HEADER)
    if kind not in (_DICTIONARY, _RECORDS) or header is None:
        return Size(0, 0)
    batch = header.table(_DATA) if kind == _DICTIONARY else header
    if batch is None:
        raise ValueError("a dictionary without data")
    rows = batch.long(_LENGTH) if kind == _RECORDS else 0
    if batch.table(_COMPRESSION) is None:
        return Size(rows, len(body))
    total = 0
    for offset, length in batch.pairs(_BUFFERS):
        if length > 0:
            (size,) = struct.unpack_from("<q", body, offset)
            total += length if size < 0 else size
    return Size(rows, total)


class _Table:
    """A FlatBuffer table: fields by their position in its schema."""

    def __init__(self, data: memoryview, place: int) -> None:
        self._data, self._place = data, place
        self._fields = place - self._read("<i", place)
        self._count = (self._read("<H", self._fields) - 4) // 2

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def byte(self, field: int) -> int:
        place = self._at(field)
        return 0 if place is None else self._read("<B", place)

    def long(self, field: int) -> int:
        place = self._at(field)
        return 0 if place is None else self._read("<q", place)

    def table(self, field: int) -> _Table | None:
        place = self._at(field)
        return None if place is None else _Table(self._data, place + self._read("<I", place))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        place = self._at(field)
        if place is None:
            return []
        start = place + self._read("<I", place)
        count = self._read("<I", start)
        if start + 4 + 16 * count > len(self._data):
            raise ValueError("a vector is cut off")
        return [struct.unpack_from("<qq", self._data, start + 4 + 16 * index) for index in range(count)]

    def _at(self, field: int) -> int | None:
        if field >= self._count:
            return None
        offset = self._read("<H", self._fields + 4 + 2 * field)
        return self._place + offset if offset else None

    def _read(self, form: str, place: int) -> int:
        if place < 0:
            raise ValueError("an offset points outside")
        return int(struct.unpack_from(form, self._data, place)[0])
