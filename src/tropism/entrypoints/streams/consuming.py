"""Takes messages from a broker into the journal, and goes on however often the broker goes away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, NotReady, TropismError
from tropism.core.events import encode
from tropism.entrypoints.streams.sorting import sort_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.clock import Clock
    from tropism.entrypoints.streams.base import Broker, Message
    from tropism.entrypoints.streams.dead_letters import DeadLetters
    from tropism.entrypoints.streams.definitions import Definition
    from tropism.entrypoints.streams.sorting import Poison
    from tropism.registry.progress import Progress
    from tropism.storage.journal import JournalWriter

PREFIX = "streams/"
"""What names of progress begin with: `streams/<source>/<partition>`."""
_IDLE = 1.0
"""Seconds of one wait for a first message; so long may a stop take."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_TELL_EVERY, _COUNT_EVERY = 2.0, 10.0


class Terms(NamedTuple):
    """`batch`: most messages at a time. `wait`: seconds for which a batch that is not full is held back. `tolerance`:
    how far ahead of the time an event may be, in µs."""

    batch: int = 100
    wait: float = 0.2
    tolerance: int = 5 * 60 * SECOND


class Parts(NamedTuple):
    """What a consumer works with. `journal` opens a writer of this process's own."""

    definition: Definition
    journal: Callable[[], JournalWriter]
    dead_letters: DeadLetters
    progress: Progress
    clock: Clock


class Consumption:
    """Takes the messages of one stream, until it is told to stop. Each is acknowledged once it is safe on the disk:
    as an event in the journal, or as a dead letter. What was not acknowledged is delivered again, and known again by
    its id.

    `say` is called with a line for people when something changes.
    """

    def __init__(self, broker: Callable[[str], Broker], parts: Parts, terms: Terms, say: Callable[[str], None]) -> None:
        self._make_broker = broker
        self._parts = parts
        self._terms = terms
        self._say = say
        self._journal: JournalWriter | None = None
        self._pause, self._said = _FIRST_PAUSE, ""
        self._tell_at = 0.0
        self._poison, self._count_at = 0, 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set and the batch at hand is done.

        Raises:
            NotFound: the stream was dropped from the project.
            SettingInvalid, MissingExtra, DataInvalid, NotWritable: nothing can be done here without a change.
        """
        try:
            while not stop.is_set():
                try:
                    await self._consume(stop)
                except (NotReady, DiskFull) as error:
                    self._complain(error)
                    await pause(stop, self._pause)
                    self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        finally:
            self._close_journal()

    async def _consume(self, stop: asyncio.Event) -> None:
        if self._journal is None:
            self._journal = self._parts.journal()
        broker = self._make_broker(self._journal.name)
        try:
            await broker.open()
            await self._tell(broker)
            working = False
            while not stop.is_set():
                self._parts.definition.refresh()  # nothing is taken for a stream that is there no more
                messages = await self._batch(broker)
                if messages:
                    await self._store(messages, self._journal)
                    await broker.acknowledge(messages)
                if not working:
                    working = True
                    self._say("consuming again" if self._said else "consuming")
                    self._pause, self._said = _FIRST_PAUSE, ""
                await self._tell(broker)
        finally:
            await broker.close()

    async def _batch(self, broker: Broker) -> list[Message]:
        """The first messages that come, and what comes within `wait` of them."""
        loop, most = asyncio.get_running_loop(), self._terms.batch
        messages = await broker.take(most, _IDLE)
        until = loop.time() + self._terms.wait
        while messages and len(messages) < most and (left := until - loop.time()) > 0:
            messages += await broker.take(most - len(messages), left)
        return messages

    async def _store(self, messages: Sequence[Message], journal: JournalWriter) -> None:
        """Returns once every message is safe."""
        parts, reader = self._parts, self._parts.definition.refresh()
        now = parts.clock.now()
        pushes, poison = sort_messages(messages, reader, now, self._terms.tolerance)
        if poison and (newer := parts.definition.latest()) is not reader:  # what it lacked may just have been applied
            reader = newer
            pushes, poison = sort_messages(messages, reader, now, self._terms.tolerance)
        if poison:
            await asyncio.to_thread(parts.dead_letters.add, reader.source.name, poison, now)
            self._count(poison)
        if pushes:
            try:
                await journal.durable(journal.append([encode(pushes)]))
            except TropismError:
                self._close_journal()  # after a failed flush it takes nothing any more; another one is opened
                raise

    async def _tell(self, broker: Broker) -> None:
        """Keeps how far this consumer is, for `tropism streams status`."""
        loop, parts = asyncio.get_running_loop(), self._parts
        if loop.time() < self._tell_at:
            return
        self._tell_at = loop.time() + _TELL_EVERY
        now = parts.clock.now()
        for standing in await broker.standings():
            name = f"{PREFIX}{parts.definition.reader.source.name}/{standing.partition}"
            parts.progress.set(name, msgspec.to_builtins(standing) | {"at": now}, now=now)

    def _count(self, poison: Sequence[Poison]) -> None:
        """Says how many dead letters there were, not more often than somebody can read it."""
        self._poison += len(poison)
        now = asyncio.get_running_loop().time()
        if now >= self._count_at:
            self._say(f"messages that could not be used: {self._poison}, such as: {poison[0].reason}")
            self._poison, self._count_at = 0, now + _COUNT_EVERY

    def _complain(self, error: TropismError) -> None:
        """Says what is wrong, once for as long as it is the same."""
        text = " ".join(str(error).split())
        if text != self._said:
            self._say(f"{text}; trying again")
        self._said = text

    def _close_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Waits so long, or until `stop` is set."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
