from __future__ import annotations

import asyncio

import msgspec
import pytest

from tropism.entrypoints.api.protocols.subscriptions_messages import (
    Bye,
    Hello,
    Known,
    Message,
    Told,
    Unwant,
    Want,
    messages_from,
    packed,
)

SAID: list[Message] = [
    Hello("1-ab"),
    Want(1, "price", ["a", "é"]),
    Want(2, "price", None),
    Known(7),
    Told("price", None, b"event: x\n\n"),
    Unwant(1),
    Bye(),
]


async def heard(data: bytes, step: int) -> list[Message]:
    reader = asyncio.StreamReader()
    for start in range(0, len(data), step):
        reader.feed_data(data[start : start + step])
    reader.feed_eof()
    found: list[Message] = []
    with pytest.raises(EOFError):
        async for message in messages_from(reader):
            found.append(message)
    return found


@pytest.mark.parametrize("step", [1, 5, 10_000])
async def test_messages_arrive_as_they_were_sent_however_they_are_cut(step: int) -> None:
    assert await heard(b"".join(map(packed, SAID)), step) == SAID


async def test_a_message_that_is_cut_off_is_not_taken() -> None:
    assert await heard(packed(SAID[0]) + packed(SAID[1])[:-1], 100) == SAID[:1]


async def test_what_is_no_message_is_refused() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\0\0\0\1\xc1")
    with pytest.raises(msgspec.DecodeError):
        await anext(messages_from(reader))
