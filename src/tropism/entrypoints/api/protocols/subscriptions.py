"""Tells subscribers of predictions as they are made, in this process and, over links, in the other workers."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from tropism.core.clock import iso
from tropism.core.errors import Fault, RateLimited
from tropism.entrypoints.api.protocols.subscriptions_interests import Interests
from tropism.serving.replies import Reply, reply_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Prediction
    from tropism.core.task import Task
    from tropism.entrypoints.api.protocols.subscriptions_interests import Wish
    from tropism.serving.rows import Note

SLOW, STOPPING, GONE = "too-slow", "stopping", "gone"
"""Why a subscription ended: its caller did not keep up, the server stops, the caller left."""


class Announcement(Reply, frozen=True, kw_only=True):
    """A prediction as its subscribers see it: the reply that its caller got, whom it is about, and when it was made."""

    entity: str | None
    at: str


class News(NamedTuple):
    """An announcement on its way: `frame` is what is sent to a subscriber."""

    task: str
    entity: str | None
    frame: bytes


class Peer(Protocol):
    """Another worker."""

    def offer(self, news: News) -> None:
        """Takes news without waiting; whether they arrive is its own affair."""
        ...


class Exchange(Protocol):
    """The other workers, told of this one's subscriptions."""

    async def wanted(self, number: int, wish: Wish) -> None:
        """Returns once every worker knows of the wish."""
        ...

    def unwanted(self, number: int) -> None:
        """Tells that a wish is no more."""
        ...


class Subscription:
    """One subscriber's share of the news, and why there will be no more. `most`: waiting before it is given up."""

    def __init__(self, number: int, most: int) -> None:
        self.number = number
        self.reason = ""
        self._most = most
        self._frames: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Takes what is to be sent, and never waits: a subscriber with too much before him is given up."""
        if self.reason:
            return
        if len(self._frames) >= self._most:
            self.end(SLOW)
            return
        self._frames.append(frame)
        self._changed.set()

    def end(self, reason: str) -> None:
        """There will be no more; the first reason counts."""
        self.reason = self.reason or reason
        self._changed.set()

    async def take(self, seconds: float) -> bytes:
        """All that is to be sent by now; empty if nothing came for that long, or nothing will."""
        if not self._frames and not self.reason:
            self._changed.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return b""
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames


class Subscriptions:
    """All subscriptions of a process. For one event loop.

    `active` is False while nobody anywhere has subscribed: look at it before `publish`. `most`: subscriptions at
    once. `backlog`: announcements that may wait for one subscriber.
    """

    def __init__(self, most: int = 1_000, backlog: int = 1_000) -> None:
        self.active = False
        self.dropped = 0
        """Subscribers that were given up because they did not keep up."""
        self._most = most
        self._backlog = backlog
        self._local: Interests[Subscription] = Interests()
        self._remote: Interests[tuple[Peer, int]] = Interests()
        self._exchange: Exchange | None = None
        self._numbers = 0
        self._pending: list[tuple[Task, Sequence[Prediction], Sequence[tuple[Note, ...]]]] = []
        self._ended = False

    def __len__(self) -> int:
        return len(self._local)

    def publish(self, task: Task, events: Sequence[Prediction], notes: Sequence[tuple[Note, ...]] = ()) -> None:
        """Tells of predictions that are durable, once the event loop has done what is at hand. No `notes`: none."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._tell)
        self._pending.append((task, events, notes))

    async def subscribe(self, wish: Wish) -> Subscription:
        """A subscription to every prediction that is made from when this returns, in any worker.

        Raises:
            RateLimited: there are too many.
        """
        if len(self._local) >= self._most:
            fault = Fault("subscriptions", str(len(self._local)), "close some, or try again in a moment")
            raise RateLimited("too many subscriptions at once", fault)
        self._numbers += 1
        subscription = Subscription(self._numbers, self._backlog)
        self._local.put(subscription, wish)
        self._look()
        if self._ended:
            subscription.end(STOPPING)
        if self._exchange is not None:
            try:
                await self._exchange.wanted(subscription.number, wish)
            except BaseException:
                self.unsubscribe(subscription)
                raise
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription that nobody waits for any more."""
        self._local.drop(subscription)
        self._look()
        if self._exchange is not None:
            self._exchange.unwanted(subscription.number)

    def end(self) -> None:
        """Ends all subscriptions, those to come too: the server stops, and must not have to wait for them."""
        self._ended = True
        for subscription in self._local.wishes:
            subscription.end(STOPPING)

    def interrupt(self, frame: bytes) -> None:
        """Sends something to every subscriber here."""
        for subscription in self._local.wishes:
            self._give(subscription, frame)

    def join(self, exchange: Exchange | None) -> None:
        """Shares subscriptions with other workers from now on, or no longer."""
        self._exchange = exchange

    def wishes(self) -> dict[int, Wish]:
        """What subscribers here want, by the numbers of their subscriptions."""
        return {subscription.number: wish for subscription, wish in self._local.wishes.items()}

    def deliver(self, news: News) -> None:
        """Tells subscribers here what another worker told."""
        for subscription in self._local.of(news.task, news.entity):
            self._give(subscription, news.frame)

    def wanted_by(self, peer: Peer, number: int, wish: Wish | None) -> None:
        """Notes what another worker wants to be told, or that it no longer does."""
        if wish is None:
            self._remote.drop((peer, number))
        else:
            self._remote.put((peer, number), wish)
        self._look()

    def forget(self, peer: Peer) -> None:
        """Forgets all that a worker wanted."""
        for key in [key for key in self._remote.wishes if key[0] is peer]:
            self._remote.drop(key)
        self._look()

    def _look(self) -> None:
        self.active = bool(self._local) or bool(self._remote)

    def _tell(self) -> None:
        pending, self._pending = self._pending, []
        for task, events, notes in pending:
            for event, noted in zip(events, notes or repeat(()), strict=False):
                here = self._local.of(task.name, event.entity)
                there = {peer for peer, _ in self._remote.of(task.name, event.entity)}
                if not here and not there:
                    continue
                news = News(task.name, event.entity, announced(task, event, noted))
                for subscription in here:
                    self._give(subscription, news.frame)
                for peer in there:
                    peer.offer(news)

    def _give(self, subscription: Subscription, frame: bytes) -> None:
        ended = subscription.reason
        subscription.offer(frame)
        if subscription.reason and not ended:
            self.dropped += 1


def announced(task: Task, event: Prediction, notes: Sequence[Note]) -> bytes:
    """A prediction as a server-sent event."""
    fields = msgspec.structs.asdict(reply_of(task, event, notes))
    told = Announcement(**fields, entity=event.entity, at=iso(event.at))
    return frame_of("prediction", msgspec.json.encode(told), event.id)


def frame_of(name: str, data: bytes, identifier: str = "") -> bytes:
    """A server-sent event; `data` has no line ends.

    >>> frame_of("gap", b"{}")
    b'event: gap\\ndata: {}\\n\\n'
    """
    first = f"id: {identifier}\n" if identifier else ""
    return f"{first}event: {name}\ndata: ".encode() + data + b"\n\n"


def gap(detail: str, after: str = "") -> bytes:
    """The event that tells of predictions that were not sent. `after`: the last one that was, if it is known."""
    return frame_of("gap", msgspec.json.encode({"after": after, "detail": detail}))
