from __future__ import annotations

import asyncio
from typing import Any

from tropism.entrypoints.api.protocols.subscriptions import News
from tropism.entrypoints.api.protocols.subscriptions_ends import Listener, Teller
from tropism.entrypoints.api.protocols.subscriptions_messages import Bye, Known, Told, packed

NEWS = News("price", "a", b"frame")


class Pipe:
    """A writer whose other end reads nothing."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.aborted = False
        self.transport = self

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return len(self.written)


def test_one_who_reads_nothing_is_cut_off_and_what_is_kept_for_him_is_limited() -> None:
    pipe: Any = Pipe()
    teller = Teller(pipe, backlog=100)
    for _ in range(1_000):
        teller.offer(NEWS)
    assert pipe.aborted
    assert 100 < len(pipe.written) <= 100 + len(packed(Told(*NEWS)))


def test_nothing_is_sent_on_a_link_that_has_ended() -> None:
    pipe: Any = Pipe()
    pipe.close()
    Teller(pipe, 100).send(Bye())
    assert not pipe.written


async def test_a_question_is_over_when_it_is_answered_or_the_link_ends_or_nobody_answers() -> None:
    pipe: Any = Pipe()
    listener = Listener("other", pipe)
    first, second = asyncio.create_task(listener.known(30)), asyncio.create_task(listener.known(30))
    await asyncio.sleep(0)
    assert pipe.written == packed(Known(1)) + packed(Known(2))
    listener.settle(1)
    listener.settle(99)
    await first
    await listener.known(0)
    assert not second.done()
    listener.close()
    await second
    await listener.known(30)
