"""Sends what is due, channel beside channel, and tries again what did not arrive."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, NotFound
from tropism.core.faults import one_of
from tropism.core.identity import Identifiers
from tropism.monitoring.delivery.backoff import backoff
from tropism.monitoring.delivery.base import Notice
from tropism.monitoring.delivery.outbox import FARTHEST, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tropism.core.clock import Clock
    from tropism.monitoring.delivery.base import Answer, Channel
    from tropism.monitoring.settings import AlertSettings
    from tropism.storage.tables import Database

_MARGIN = 30 * SECOND


class Delivered(msgspec.Struct, frozen=True):
    """Notices that a round delivered, failed to deliver for now, and gave up.

    >>> Delivered(delivered=2) + Delivered(failed=1)
    Delivered(delivered=2, failed=1, given_up=0)
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.delivered + other.delivered, self.failed + other.failed, self.given_up + other.given_up)


class _Pause(msgspec.Struct, frozen=True):
    """`failures`: in a row, of a whole channel. `until`: it is left alone before."""

    failures: int = 0
    until: int = 0


class Delivery:
    """Delivers the notices of an outbox, in rounds. One thread calls `run`; any number of processes have one each.

    A notice that was accepted is not sent again. The one way to be sent twice is that the receipt is lost: the sender
    dies or the connection breaks between the receiver's acceptance and our record of it. It carries the same
    `webhook-id` then. `resolved` is never sent before its `fired` arrived or was given up.

    A channel that takes nothing is left alone for a while, doubled up to ten minutes; then one notice is tried.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        settings: AlertSettings,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance`: numbers from 0 up to 1 that spread the attempts."""
        timeout = parse_duration(settings.timeout, "alerts.timeout")
        self._outbox = Outbox(database, 2 * timeout + _MARGIN)
        self._channels = channels
        self._clock = clock
        self._chance = chance
        self._seconds = timeout / SECOND
        self._keep = parse_duration(settings.give_up, "alerts.give_up")
        self._pauses: dict[str, _Pause] = {}
        self._running: dict[str, Future[Delivered]] = {}
        self._pool = ThreadPoolExecutor(len(channels) + 1, thread_name_prefix="alerts")
        self._closing = threading.Event()
        self._ids = Identifiers()

    def run(self) -> Delivered:
        """One round: starts each channel that has notices due, and waits for them, at most the timeout. A channel
        that is slower goes on by itself, and counts in the round in which it ends.

        Raises:
            NotReady, DiskFull, NotWritable: of the tables. What was claimed is due again when its lease ends.
        """
        now, done = self._clock.now(), Delivered()
        for name in self._outbox.channels(now):
            if name not in self._channels:
                done += self._without_channel(name, now)
            elif name not in self._running and not self._is_paused(name, now):
                self._running[name] = self._pool.submit(self._empty, name)
        wait(self._running.values(), timeout=self._seconds)
        return sum(self._ended(), done)

    def test(self, channel: str) -> Answer:
        """Sends a test message at once, past the outbox, and says what happened.

        Raises:
            NotFound: there is no such channel.
        """
        found = self._channels.get(channel)
        if found is None:
            fix = one_of(channel, self._channels, "channels", "add one to the section [alerts.channels]")
            raise NotFound(f"there is no channel '{channel}'", Fault("channel", channel, fix))
        now = self._clock.now()
        notice = Notice(id=self._ids.new(now), channel=channel, event="test", body={"type": "test"}, created_at=now)
        return self._pool.submit(found.send, notice).result()

    def close(self) -> None:
        """Ends after the messages that are being sent; others stay in the outbox."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ended(self) -> list[Delivered]:
        ended = {name: future for name, future in self._running.items() if future.done()}
        self._running = {name: future for name, future in self._running.items() if name not in ended}
        return [future.result() for future in ended.values()]

    def _empty(self, name: str) -> Delivered:
        """Sends what is due on one channel, one after the other, until it is empty or takes nothing."""
        done = Delivered()
        while not self._closing.is_set() and not self._is_paused(name, self._clock.now()):
            notice = self._outbox.claim(name, self._clock.now())
            if notice is None:
                break
            done += self._settle(notice, self._channels[name].send(notice))
        return done

    def _settle(self, notice: Notice, answer: Answer) -> Delivered:
        now = self._clock.now()
        if answer.delivered:
            self._outbox.delivered(notice, now)
            self._pauses.pop(notice.channel, None)
            return Delivered(delivered=1)
        at = now + max(backoff(notice.attempts, self._chance()), answer.wait)
        done = Delivered(failed=1)
        if answer.kind == "gone" or at >= notice.created_at + self._keep:
            self._outbox.give_up(notice, now, answer.reason)
            done = Delivered(given_up=1)
        else:
            self._outbox.later(notice, at, answer.reason)
        return done + self._pause(notice.channel, answer, now) if answer.kind == "away" else done

    def _pause(self, name: str, answer: Answer, now: int) -> Delivered:
        """Leaves a channel alone, and gives up what has waited for it for too long."""
        failures = self._pauses.get(name, _Pause()).failures + 1
        until = now + max(backoff(failures, self._chance()), answer.wait)
        self._pauses[name] = _Pause(failures, until)
        return Delivered(given_up=self._outbox.give_up_older(name, now - self._keep, now, answer.reason))

    def _is_paused(self, name: str, now: int) -> bool:
        left = self._pauses.get(name, _Pause()).until - now
        return 0 < left <= FARTHEST  # more is left only where the clock went back

    def _without_channel(self, name: str, now: int) -> Delivered:
        """Another process may know the channel: what is meant for it waits as long as for one that is away."""
        reason = "no channel has this name"
        return Delivered(given_up=self._outbox.give_up_older(name, now - self._keep, now, reason))
