"""One connection of a stream of predictions: many messages in flight, replies in order, and no more than is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tropism.entrypoints.api.asgi import Receive, Send
    from tropism.entrypoints.api.protocols.websocket_messages import Answer, Messages

IDLE = 3008
"""The close code that IANA registered for a timeout."""
FLOODING = 1008
"""Policy violation (RFC 6455, section 7.4.1)."""


class Terms(NamedTuple):
    """What a connection may do.

    `in_flight`: messages taken before the first of them is answered; further ones are left in the network, so that
    their sender has to wait. `bad`: unusable messages in a row before the connection is closed. `idle`: seconds
    without any message before it is closed. `patience`: seconds in which a reply must be taken.
    """

    in_flight: int = 64
    bad: int = 100
    idle: float = 300.0
    patience: float = 60.0


class Connection:
    """Reads messages, and answers each in its turn. `places`: shared by all connections of a process."""

    def __init__(self, messages: Messages, terms: Terms, places: asyncio.Semaphore) -> None:
        self._messages = messages
        self._terms = terms
        self._places = places
        self._own = asyncio.Semaphore(terms.in_flight)
        self._turns: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
        self._started: set[asyncio.Task[Answer]] = set()

    async def run(self, receive: Receive, send: Send) -> None:
        """Serves the connection to its end.

        Raises:
            OSError: the caller went away while he was being answered, or does not read what he is sent.
        """
        reading = asyncio.create_task(self._read(receive))
        writing = asyncio.create_task(self._write(send))
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not reading.result():
                self._turns.put_nowait(None)
                if await writing:
                    await send({"type": "websocket.close", "code": IDLE, "reason": "no message came"})
            elif writing.done():
                await writing
        finally:
            reading.cancel()
            writing.cancel()
            # what was taken is recorded, and its recording must not be cut short
            await asyncio.gather(reading, writing, *self._started, return_exceptions=True)

    async def _read(self, receive: Receive) -> bool:
        """Takes messages until the connection ends; False if it was idle for too long."""
        while True:
            await self._own.acquire()
            try:
                async with asyncio.timeout(self._terms.idle):
                    message = await receive()
            except TimeoutError:
                return False
            if message["type"] == "websocket.disconnect":
                return True
            if message["type"] != "websocket.receive":
                self._own.release()
                continue
            text = message.get("text")
            content = bytes(message["bytes"]) if text is None else text.encode()
            await self._places.acquire()
            task = asyncio.create_task(self._messages.answer(content))
            self._started.add(task)
            task.add_done_callback(self._ended)
            self._turns.put_nowait(task)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._started.discard(task)
        self._places.release()

    async def _write(self, send: Send) -> bool:
        """Sends replies in the order of the messages, until there are no more; False if too many of them were bad."""
        bad = 0
        while (task := await self._turns.get()) is not None:
            answer = await task
            async with asyncio.timeout(self._terms.patience):
                await send({"type": "websocket.send", "text": answer.text.decode()})
            self._own.release()
            bad = 0 if answer.usable else bad + 1
            if bad >= self._terms.bad:
                reason = f"{bad} messages in a row could not be used"
                await send({"type": "websocket.close", "code": FLOODING, "reason": reason})
                return False
        return True
