"""The two ends of a link between workers: one tells, and never waits for the other, which listens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tropism.entrypoints.api.protocols.subscriptions_messages import Known, Told, packed

if TYPE_CHECKING:
    from asyncio import Future, StreamWriter

    from tropism.entrypoints.api.protocols.subscriptions import News
    from tropism.entrypoints.api.protocols.subscriptions_messages import Message


class _End:
    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer

    def send(self, message: Message) -> None:
        """Sends without waiting; nothing happens if the link has ended."""
        if not self._writer.is_closing():
            self._writer.write(packed(message))

    def close(self) -> None:
        """Ends the link once what was sent has gone."""
        self._writer.close()

    async def closed(self, seconds: float) -> None:
        """Returns once the link has ended after `close`, or the time is over."""
        with suppress(OSError):
            async with asyncio.timeout(seconds):
                await self._writer.wait_closed()


class Teller(_End):
    """The end that tells. `backlog`: bytes that may wait; a listener that lets more gather is cut off."""

    def __init__(self, writer: StreamWriter, backlog: int) -> None:
        super().__init__(writer)
        self._backlog = backlog

    def offer(self, news: News) -> None:
        """Tells of a prediction. A listener that is cut off notices, and knows that something is missing."""
        if self._writer.transport.get_write_buffer_size() > self._backlog:
            self._writer.transport.abort()
        else:
            self.send(Told(news.task, news.entity, news.frame))


class Listener(_End):
    """The end that listens to the worker of that name."""

    def __init__(self, name: str, writer: StreamWriter) -> None:
        super().__init__(writer)
        self.name = name
        self._asked: dict[int, Future[None]] = {}
        self._count = 0

    async def known(self, seconds: float) -> None:
        """Returns once the other end has read all that was sent to it, or the time is over, or the link ends."""
        if self._writer.is_closing():
            return
        self._count += 1
        number = self._count
        future: Future[None] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self.send(Known(number))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await future
        self._asked.pop(number, None)

    def settle(self, number: int) -> None:
        """The other end has answered."""
        future = self._asked.pop(number, None)
        if future is not None and not future.done():
            future.set_result(None)

    def close(self) -> None:
        """Ends the link; nobody waits for it any longer."""
        for number in list(self._asked):
            self.settle(number)
        super().close()
