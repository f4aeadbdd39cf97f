"""Thrift's compact protocol, as far as Parquet's metadata needs it: whole numbers, structs and lists of them.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WHOLE = (4, 5, 6)
_DEEPEST = 24
Struct = dict[int, Any]


class CompactReader:
    """Reads one value after the other; `place` is where the next one begins.

    What is neither a number, a struct nor a list is passed over and reads as None. Raises `ValueError` or
    `IndexError` for bytes that are none of this protocol.

    >>> CompactReader(memoryview(bytes([0x15, 0x06, 0x2C, 0x15, 0x01, 0x00, 0x00]))).struct()
    {1: 3, 3: {1: -1}}
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> Struct:
        """A struct's fields by number."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._zigzag()
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _WHOLE:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._elements(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._skip(1)
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._varint())
        raise ValueError(f"a field of type {kind}")

    def _elements(self, depth: int) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._varint()
        if count > len(self._data) - self.place:  # each takes a byte at least
            raise ValueError("a list is cut off")
        return [self._value(kind, depth) for _ in range(count)]

    def _byte(self) -> int:
        value = self._data[self.place]
        self.place += 1
        return value

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._data):
            raise ValueError("cut off")

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
