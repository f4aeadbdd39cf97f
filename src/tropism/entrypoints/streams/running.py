"""Puts a consumer of one stream together, and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
import socket
from typing import TYPE_CHECKING, Any

from tropism.core.clock import SECOND, iso
from tropism.core.durations import parse_duration
from tropism.entrypoints.streams.consuming import Consumption, Parts, Terms
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.definitions import Definition
from tropism.entrypoints.streams.opening import broker_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tropism.config import Settings
    from tropism.entrypoints.streams.base import Broker
    from tropism.features.brokers import Address
    from tropism.wiring import Platform


def consumption(
    platform: Platform,
    source: str,
    address: Address,
    terms: Terms,
    say: Callable[[str], None],
    broker: Callable[[Address, str], Broker] = broker_at,
) -> Consumption:
    """A consumer of a project's stream; `broker` makes what it reads from.

    Raises:
        NotFound: no such stream was applied.
        MissingExtra: what the broker needs is not installed.
    """
    definition = Definition(platform.registry.features, source)
    broker(address, "")  # a missing package is told now, and not again and again
    letters, progress = DeadLetters(platform.lake), platform.registry.progress
    parts = Parts(definition, platform.journal, letters, progress, platform.clock)
    return Consumption(lambda slot: broker(address, _consumer(platform, slot)), parts, terms, say)


def run(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Works until SIGTERM or SIGINT, which set the event that `work` is given. Raises what `work` does."""
    quieten()
    asyncio.run(_until_told(work))


def quieten() -> None:
    """The clients log each failed attempt; a consumer says once that a broker is away."""
    for name in ("aiokafka", "nats", "faststream"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def _until_told(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    await work(stop)


def terms_of(settings: Settings, batch: int | None = None, wait: str | None = None) -> Terms:
    """How a consumer works: as the settings say, where a command does not."""
    features = settings.features
    most = features.stream_batch if batch is None else batch
    held = (
        parse_duration(features.stream_wait, "features.stream_wait") if wait is None else parse_duration(wait, "--wait")
    )
    return Terms(most, held / SECOND, parse_duration(settings.http.future_tolerance, "http.future_tolerance"))


def teller(platform: Platform, source: str, address: Address, write: Callable[[str], None]) -> Callable[[str], None]:
    """Writes what a consumer says as a line with the time, the source and where its messages come from."""
    return lambda text: write(f"{iso(platform.real.now())} {source} from {address.shown}: {text}")


def _consumer(platform: Platform, slot: str) -> str:
    """A name in a broker's group. The slot of the journal is held by one process at a time, so the name is, too; the
    process that has it next is given what this one leaves."""
    folder = hashlib.blake2b(str(platform.settings.folder).encode(), digest_size=4).hexdigest()
    return f"{socket.gethostname()}-{folder}-{slot}"
