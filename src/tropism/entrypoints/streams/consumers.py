"""The consumers of the streams whose brokers the settings name, until they are told to stop."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import Fault, NotFound, NotReady, SettingInvalid, SetupError
from tropism.entrypoints.streams.addresses import address_of
from tropism.entrypoints.streams.consuming import Terms, pause
from tropism.entrypoints.streams.opening import broker_at
from tropism.entrypoints.streams.running import consumption, run, teller, terms_of
from tropism.features.brokers import EXAMPLES
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.config import Settings
    from tropism.entrypoints.streams.base import Broker
    from tropism.entrypoints.streams.consuming import Consumption
    from tropism.features.brokers import Address
    from tropism.wiring import Platform

_LOOK_EVERY = 2.0
_TRY_AGAIN = 60.0


class Consumer(NamedTuple):
    """One stream's. It waits for a stream that is not applied, and says so once.

    `say` is called with a line for people when something changes.
    """

    platform: Platform
    source: str
    address: Address
    terms: Terms
    say: Callable[[str], None]
    broker: Callable[[Address, str], Broker] = broker_at

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set and the batch at hand is done.

        Raises:
            SetupError: nothing can be done here without a change.
        """
        while (found := await self._found(stop)) is not None:
            try:
                await found.run(stop)
            except NotFound:  # dropped: it may come again
                continue
            return

    async def _found(self, stop: asyncio.Event) -> Consumption | None:
        """What consumes the stream, as soon as it is there; None when told to stop before."""
        said = ""
        while not stop.is_set():
            try:
                return consumption(self.platform, self.source, self.address, self.terms, self.say, self.broker)
            except (NotFound, NotReady) as error:
                text = " ".join(str(error).split())
                if text != said:
                    self.say(f"{text}; waiting")
                said = text
            await pause(stop, _LOOK_EVERY)
        return None


def run_consumer(settings: Settings, source: str) -> None:
    """The consumer of one stream, until SIGTERM or SIGINT.

    Raises:
        SetupError: nothing can be done here without a change, such as a package that is missing.
    """
    run(_consumer(open_platform(settings), source).run)


def run_consumers(settings: Settings) -> None:
    """Those of every stream that the settings name, in this process, until SIGTERM or SIGINT.

    Where one of several can do nothing without a change it says so, and tries again every minute beside the others.

    Raises:
        SettingInvalid: they name none.
        MissingExtra: a package is missing.
        SetupError: the only one can do nothing without a change.
    """
    if not settings.features.streams:
        fix = f"name a broker for a stream, such as payments = '{EXAMPLES['redis']}'"
        raise SettingInvalid("there is nothing to consume", Fault("features.streams", "", fix))
    platform = open_platform(settings)
    consumers = [_consumer(platform, source) for source in settings.features.streams]
    run(consumers[0].run if len(consumers) == 1 else lambda stop: _beside(consumers, stop))


def _consumer(platform: Platform, source: str) -> Consumer:
    settings = platform.settings
    address = address_of(source, None, settings.features)
    broker_at(address)  # a missing package is told before anything is waited for
    return Consumer(platform, source, address, terms_of(settings), teller(platform, source, address, _write))


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def _beside(consumers: list[Consumer], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        for consumer in consumers:
            group.create_task(_again_and_again(consumer, stop))


async def _again_and_again(consumer: Consumer, stop: asyncio.Event) -> None:
    said = ""
    while not stop.is_set():
        try:
            await consumer.run(stop)
        except SetupError as error:
            text = " ".join(str(error).split())
            if text != said:
                consumer.say(f"{text}; trying again every minute")
            said = text
            await pause(stop, _TRY_AGAIN)
