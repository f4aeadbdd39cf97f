"""Joins the workers of a project, so that a subscriber at one hears of the predictions of all.

Every worker listens on a Unix socket in a folder that they share, and opens a link to each of the others, on which
it says what its subscribers want and gets the news that are. Nothing is sent, nor even looked for, while nobody has
subscribed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Fault, NotWritable
from tropism.entrypoints.api.protocols.subscriptions import News, gap
from tropism.entrypoints.api.protocols.subscriptions_ends import Listener, Teller
from tropism.entrypoints.api.protocols.subscriptions_folder import private
from tropism.entrypoints.api.protocols.subscriptions_interests import Wish
from tropism.entrypoints.api.protocols.subscriptions_messages import (
    Bye,
    Hello,
    Known,
    Told,
    Unwant,
    Want,
    messages_from,
)

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Coroutine
    from pathlib import Path

    from tropism.entrypoints.api.protocols.subscriptions import Subscriptions

_LOST = "another worker went away, or could not keep up: some of its predictions may not have been sent"
_BROKEN = (OSError, EOFError, msgspec.DecodeError, UnicodeDecodeError)
_log = logging.getLogger(__name__)


class Links:
    """The links of one worker. For one event loop.

    `folder`: the same for all workers of a project. `backlog`: bytes that may wait for another worker before it is
    cut off, to join anew. `patience`: seconds to wait for another worker's word. `again`: seconds before a link that
    broke is tried again.
    """

    def __init__(
        self,
        folder: Path,
        subscriptions: Subscriptions,
        *,
        backlog: int = 4 * 1024 * 1024,
        patience: float = 2.0,
        again: float = 0.5,
    ) -> None:
        self._folder = folder
        self._subscriptions = subscriptions
        self._backlog, self._patience, self._again = backlog, patience, again
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._listeners: dict[str, Listener] = {}
        """The ends of links that this worker opened, by the other's name."""
        self._tellers: set[Teller] = set()
        self._joined: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._closed = False

    async def open(self) -> None:
        """Joins the other workers: when this returns, they hear what they want of this one's predictions.

        Raises:
            NotWritable: the folder cannot be used.
        """
        self._folder = private(self._folder)
        hidden = self._path(self._name).with_suffix(".new")  # nobody may find a socket that does not listen yet
        try:
            self._server = await asyncio.start_unix_server(self._accept, str(hidden))
            hidden.rename(self._path(self._name))
        except OSError as error:
            raise NotWritable("workers cannot find each other", Fault("folder", str(hidden), str(error))) from error
        self._subscriptions.join(self)
        others = [path.stem for path in sorted(self._folder.glob("*.sock")) if path.stem != self._name]
        await asyncio.gather(*(self._connect(name) for name in others))
        heard = [self._heard(name).wait() for name in self._listeners]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await asyncio.gather(*heard)

    async def close(self) -> None:
        """Leaves. The others get what they were to be told, and know that nothing is missing."""
        self._closed = True
        self._subscriptions.join(None)
        if self._server is None:
            return
        self._server.close()
        self._path(self._name).unlink(missing_ok=True)
        for teller in list(self._tellers):
            teller.send(Bye())
            teller.close()
        ends = [*self._tellers, *self._listeners.values()]
        for listener in list(self._listeners.values()):
            listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *(end.closed(self._patience) for end in ends), return_exceptions=True)

    async def wanted(self, number: int, wish: Wish) -> None:
        """Tells every other worker of a wish, and returns once they know."""
        for listener in self._listeners.values():
            listener.send(_want(number, wish))
        await asyncio.gather(*(one.known(self._patience) for one in self._listeners.values()))

    def unwanted(self, number: int) -> None:
        """Tells every other worker that a wish is no more."""
        for listener in self._listeners.values():
            listener.send(Unwant(number))

    async def _connect(self, name: str) -> bool:
        """Opens a link to another worker; False if that should be tried again."""
        path = self._path(name)
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
        except FileNotFoundError:
            return True
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)  # left by a worker that was killed
            return True
        except OSError:
            return False
        if self._closed or name in self._listeners:
            writer.close()
            return True
        listener = self._listeners[name] = Listener(name, writer)
        listener.send(Hello(self._name))
        for number, wish in self._subscriptions.wishes().items():
            listener.send(_want(number, wish))
        self._start(self._listen(listener, reader))
        await listener.known(self._patience)
        return True

    async def _listen(self, listener: Listener, reader: StreamReader) -> None:
        """Hears the news of another worker until the link ends; then links again, unless it said that it leaves."""
        left = False
        try:
            async for message in messages_from(reader):
                if isinstance(message, Told):
                    self._subscriptions.deliver(News(message.task, message.entity, message.frame))
                elif isinstance(message, Known):
                    listener.settle(message.number)
                elif isinstance(message, Bye):
                    left = True
        except _BROKEN:
            pass
        finally:
            listener.close()
            self._listeners.pop(listener.name, None)
        if left:
            return
        _log.warning("the link to worker %s broke", listener.name)
        self._subscriptions.interrupt(gap(_LOST))
        for _ in range(10):
            await asyncio.sleep(self._again)
            if await self._connect(listener.name):
                return

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Tells another worker what it wants to hear, until it closes the link."""
        teller, name = Teller(writer, self._backlog), ""
        self._tellers.add(teller)
        try:
            async for message in messages_from(reader):
                if isinstance(message, Hello):
                    name = message.name
                    if name not in self._listeners and not self._closed:
                        self._start(self._link(name))
                elif isinstance(message, Want):
                    entities = None if message.entities is None else frozenset(message.entities)
                    self._subscriptions.wanted_by(teller, message.number, Wish(message.task, entities))
                elif isinstance(message, Unwant):
                    self._subscriptions.wanted_by(teller, message.number, None)
                elif isinstance(message, Known):
                    teller.send(message)
                    self._heard(name).set()
        except _BROKEN:
            pass
        finally:
            self._subscriptions.forget(teller)
            self._tellers.discard(teller)
            self._joined.pop(name, None)
            teller.close()

    async def _link(self, name: str) -> None:
        await self._connect(name)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _heard(self, name: str) -> asyncio.Event:
        """Set once that worker has said what it wants."""
        return self._joined.setdefault(name, asyncio.Event())

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.sock"


def _want(number: int, wish: Wish) -> Want:
    return Want(number, wish.task, None if wish.entities is None else sorted(wish.entities))
