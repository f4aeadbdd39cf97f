"""Universal Binary JSON, as XGBoost writes it: https://ubjson.org. Numbers are big-endian; lists may have one type.

Reading makes plain lists, dictionaries, numbers and texts; a length that the data does not have is refused before
anything of that length is made.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tropism.core.errors import ArtifactRefused, Fault

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_WHOLE = "iUIlL"
_MOST_DEPTH = 32


def read_ubjson(data: bytes) -> Any:
    """The value. Raises: ArtifactRefused: the data is none, or cut off.

    >>> read_ubjson(b"{i\\x01a[$U#U\\x02\\x05\\x07}")
    {'a': [5, 7]}
    """
    reader = _Reader(data)
    try:
        value = reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise _refused(reader.at, "it is cut off or no UBJSON") from error
    if reader.at != len(data):
        raise _refused(reader.at, "something follows the model")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def marker(self) -> str:
        self.at += 1
        return chr(self._data[self.at - 1])

    def value(self, marker: str, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise _refused(self.at, f"it is nested more than {_MOST_DEPTH} deep")
        if marker in _NUMBERS:
            return self._numbers(marker, 1)[0]
        if marker == "S":
            return self._text()
        if marker == "C":
            return self._take(1).decode("ascii")
        if marker == "[":
            return self._list(depth)
        if marker == "{":
            return self._object(depth)
        if marker in "ZTF":
            return {"Z": None, "T": True, "F": False}[marker]
        raise _refused(self.at, f"there is no type {marker!r}")

    def _list(self, depth: int) -> list[Any]:
        kind, count = self._shape()
        if count is None:
            found = []
            while (marker := self.marker()) != "]":
                found.append(self.value(marker, depth + 1))
            return found
        if kind in _NUMBERS:
            return self._numbers(kind, count)
        return [self.value(kind or self.marker(), depth + 1) for _ in range(count)]

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._shape()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self._data[self.at] == ord("}"):
                self.at += 1
                break
            name = self._text()
            if name in found:
                raise _refused(self.at, f"{name[:40]!r} comes twice")
            found[name] = self.value(kind or self.marker(), depth + 1)
        return found

    def _shape(self) -> tuple[str, int | None]:
        """The type of all that follows, if it is said, and how many there are."""
        kind = ""
        if self._data[self.at] == ord("$"):
            self.at += 1
            kind = self.marker()
        if self._data[self.at] != ord("#"):
            if kind:
                raise _refused(self.at, "a type comes with a count")
            return "", None
        self.at += 1
        count = self._length()
        if kind in ("Z", "T", "F") or count > len(self._data) - self.at:
            raise _refused(self.at, f"there are no {count} values")
        return kind, count

    def _length(self) -> int:
        marker = self.marker()
        if marker not in _WHOLE:
            raise _refused(self.at, "a length is a whole number")
        length = int(self._numbers(marker, 1)[0])
        if not 0 <= length <= len(self._data):
            raise _refused(self.at, f"a length of {length}")
        return length

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _numbers(self, marker: str, count: int) -> list[Any]:
        kind = np.dtype(_NUMBERS[marker])
        found: list[Any] = np.frombuffer(self._take(kind.itemsize * count), kind).tolist()
        return found

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise _refused(self.at, "it is cut off")
        self.at += size
        return self._data[self.at - size : self.at]


def _refused(at: int, why: str) -> ArtifactRefused:
    fix = "keep it as XGBoost wrote it, or save it as JSON"
    return ArtifactRefused("the model is no UBJSON of XGBoost", Fault("model", f"at byte {at}: {why}", fix))
