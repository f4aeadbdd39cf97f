"""What workers say to each other of subscriptions: MessagePack, each message after its length in four bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import AsyncIterator

_LENGTH = struct.Struct(">I")


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The first message of a link: the name of the worker that opened it."""

    name: str


class Want(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A subscriber wants to hear of a task, of some entities or (None) of all."""

    number: int
    task: str
    entities: list[str] | None


class Unwant(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The subscriber with that number is gone."""

    number: int


class Known(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Asks whether all before it has been read; sent back, it says so."""

    number: int


class Told(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A prediction that was wanted."""

    task: str
    entity: str | None
    frame: bytes


class Bye(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The worker stops; everything that was wanted has been told."""


Message = Hello | Want | Unwant | Known | Told | Bye
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def packed(message: Message) -> bytes:
    """A message as it is sent.

    >>> packed(Unwant(3))
    b'\\x00\\x00\\x00\\t\\x92\\xa6Unwant\\x03'
    """
    content = _encode(message)
    return _LENGTH.pack(len(content)) + content


async def messages_from(reader: StreamReader) -> AsyncIterator[Message]:
    """Messages until the link ends.

    Raises:
        EOFError, OSError: it ended, or broke.
        msgspec.DecodeError: what came is no message.
    """
    while True:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        yield _decoder.decode(await reader.readexactly(length))
