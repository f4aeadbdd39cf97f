"""Consumers that the settings name: they wait for their stream, and one's trouble is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from tropism.core.errors import DataInvalid, Fault, MissingExtra, SettingInvalid
from tropism.entrypoints.streams import consumers as module
from tropism.entrypoints.streams import opening
from tropism.entrypoints.streams.base import Broker, Message, Standing
from tropism.entrypoints.streams.consumers import Consumer, run_consumer, run_consumers
from tropism.entrypoints.streams.consuming import Terms
from tropism.features import StreamSource
from tropism.features.brokers import Address, parse_address
from tropism.wiring import Platform

ADDRESS = parse_address("redis://h?stream=s", "payments")


class Quiet(Broker):
    """A broker without messages. `asked` is called for each batch."""

    def __init__(self, asked: Callable[[], None]) -> None:
        super().__init__(ADDRESS)
        self._asked = asked

    async def open(self, *, join: bool = True) -> None: ...

    async def take(self, most: int, wait: float) -> list[Message]:
        self._asked()
        await asyncio.sleep(0)
        return []

    async def acknowledge(self, messages: object) -> None: ...

    async def standings(self) -> list[Standing]:
        return []

    async def close(self) -> None: ...


def consumer(platform: Platform, source: str, say: Callable[[str], None], asked: Callable[[], None]) -> Consumer:
    def broker(_address: Address, _consumer: str) -> Broker:
        return Quiet(asked)

    return Consumer(platform, source, ADDRESS, Terms(), say, broker)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.001)
    monkeypatch.setattr(module, "_TRY_AGAIN", 0.001)
    monkeypatch.setattr("tropism.entrypoints.streams.definitions._LOOK_EVERY", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_a_stream_that_is_not_there_is_waited_for_and_said_once(platform: Platform) -> None:
    said, stop, seen = list[str](), asyncio.Event(), asyncio.Event()
    clicks = StreamSource("clicks", timestamp="at", schema={"account_id": str})
    registry, now = platform.registry.features, platform.clock.now()
    async with asyncio.timeout(30):
        running = asyncio.create_task(consumer(platform, "clicks", said.append, seen.set).run(stop))
        while not said:
            await asyncio.sleep(0)
        registry.apply([clicks], now)
        await seen.wait()
        registry.drop("clicks", 1, now, kind="stream")
        while not said[-1].endswith("waiting") or len(said) < 3:
            await asyncio.sleep(0)
        registry.apply([clicks], now)
        seen.clear()
        await seen.wait()
        while len(said) < 4:
            await asyncio.sleep(0)
        stop.set()
        await running
    assert [line.partition("; ")[0].partition(" stream:")[0] for line in said] == [
        "there is no stream 'clicks'",
        "consuming",
        "the stream 'clicks' was dropped",
        "consuming",
    ]


@pytest.mark.usefixtures("at_once")
async def test_one_that_can_do_nothing_is_said_once_and_the_others_go_on(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, stop, tries, batches = list[str](), asyncio.Event(), 0, 0

    def refused() -> None:
        nonlocal tries
        tries += 1
        raise DataInvalid("this cannot be read", Fault("a", "b", "c"))

    def counted() -> None:
        nonlocal batches
        batches += 1
        if tries >= 3 and batches >= 3:
            stop.set()

    platform.registry.features.apply(
        [StreamSource("clicks", timestamp="at", schema={"account_id": str})], platform.clock.now()
    )
    bad = consumer(platform, "clicks", said.append, refused)
    good = consumer(platform, "payments", lambda _: None, counted)
    async with asyncio.timeout(30):
        await module._beside([bad, good], stop)
    assert len(said) == 1
    assert said[0].startswith("this cannot be read")
    assert said[0].endswith("trying again every minute")


def test_nothing_to_consume_is_refused(platform: Platform) -> None:
    with pytest.raises(SettingInvalid, match=r"features\.streams: name a broker"):
        run_consumers(platform.settings)


def test_a_missing_package_is_told_at_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> None:
        raise MissingExtra(f"this needs the package '{module}'", Fault("extra", extra, "install it"))

    monkeypatch.setattr(opening, "require", missing)
    features = msgspec.structs.replace(platform.settings.features, streams={"clicks": "redis://h?stream=s"})
    settings = msgspec.structs.replace(platform.settings, features=features)
    with pytest.raises(MissingExtra, match="faststream"):
        run_consumers(settings)
    with pytest.raises(MissingExtra, match="faststream"):
        run_consumer(settings, "clicks")
