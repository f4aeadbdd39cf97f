"""Messages between a scoring job and its processes: a length, then MessagePack."""

from __future__ import annotations

import struct
from typing import IO, TypeVar

import msgspec

_LENGTH = struct.Struct("<Q")
_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


def send(stream: IO[bytes], message: object) -> None:
    """Writes one message. Raises `OSError` when the other side is gone."""
    data = _encode(message)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], kind: type[T]) -> T | None:
    """Reads one message; None when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return None if len(data) < length else msgspec.msgpack.decode(data, type=kind)
