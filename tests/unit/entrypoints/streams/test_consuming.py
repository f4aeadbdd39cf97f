"""Consuming: nothing is acknowledged before it is safe, and trouble is said once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tropism.core.errors import DiskFull, Fault, NotFound
from tropism.core.events import Push, decode
from tropism.entrypoints.streams.base import Broker, Message, Standing
from tropism.entrypoints.streams.consuming import PREFIX, Terms
from tropism.entrypoints.streams.running import consumption
from tropism.features import StreamSource
from tropism.features.brokers import Address, parse_address
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform

ADDRESS = parse_address("redis://h?stream=s", "payments")


class Scripted(Broker):
    """A broker with messages in memory. `fail`: what its next calls raise. Stops its consumer when all is acknowledged,
    or when it was opened `openings` times."""

    def __init__(self, platform: Platform, payloads: Sequence[bytes], stop: asyncio.Event) -> None:
        super().__init__(ADDRESS)
        self.left = [Message("redis:s", f"{place}-0", place, one) for place, one in enumerate(payloads, 1)]
        self.fail: list[BaseException | str] = []
        self.openings = 1_000
        self.batches: list[int] = []
        self._platform, self._stop = platform, stop

    async def open(self, *, join: bool = True) -> None:
        self.openings -= 1
        if self.openings <= 0:
            self._stop.set()
        if self.fail:
            raise self.away(self.fail.pop(0))

    async def take(self, most: int, wait: float) -> list[Message]:
        if not self.left:
            self._stop.set()
        found, self.left = self.left[:most], self.left[most:]
        if not found:
            await asyncio.sleep(0)
        return found

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        journalled = {push.id for push in pushed(self._platform)}
        assert {one.id for one in messages if one.payload != b"bad"} <= journalled, "acknowledged before it was safe"
        self.batches.append(len(messages))

    async def standings(self) -> list[Standing]:
        return [Standing("redis:s", "1-0", "9-0", 8)]

    async def close(self) -> None:
        pass


def pushed(platform: Platform) -> list[Push]:
    records = JournalReader(platform.journal_folder).read({}, limit=10_000)
    return [one for record in records for one in decode(record.payload) if isinstance(one, Push)]


def event(number: int) -> bytes:
    return b'{"account_id": "a-%d", "amount": "1", "at": 1}' % number


async def consume(platform: Platform, broker: Scripted, stop: asyncio.Event, **terms: float) -> list[str]:
    said: list[str] = []

    def given(_address: Address, _consumer: str) -> Broker:
        return broker

    found = consumption(platform, "payments", ADDRESS, Terms(**terms), said.append, given)  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        await found.run(stop)
    return said


async def test_batches_are_full_safe_and_then_acknowledged(platform: Platform) -> None:
    stop = asyncio.Event()
    broker = Scripted(platform, [event(number) for number in range(250)], stop)
    assert await consume(platform, broker, stop, wait=0.0) == ["consuming"]
    assert broker.batches == [100, 100, 50]
    assert [push.rows[0][0] for push in pushed(platform)] == [f"a-{number}" for number in range(250)]
    kept = platform.registry.progress.get(f"{PREFIX}payments/redis:s")
    assert (kept["consumed"], kept["lag"]) == ("1-0", 8)


async def test_many_dead_letters_are_said_in_one_line(platform: Platform) -> None:
    stop = asyncio.Event()
    broker = Scripted(platform, [event(1), *[b"bad"] * 30, event(2)], stop)
    said = await consume(platform, broker, stop, batch=5, wait=0.0)
    assert sum("could not be used" in line for line in said) == 1
    assert sum(broker.batches) == 32
    assert len(pushed(platform)) == 2


async def test_trouble_is_said_once_and_its_end_too(platform: Platform) -> None:
    stop = asyncio.Event()
    broker = Scripted(platform, [event(1)], stop)
    broker.fail = ["refused", "refused", "refused", "no such stream"]
    said = await consume(platform, broker, stop, wait=0.0)
    assert ["refused" in line for line in said] == [True, False, False]
    assert "no such stream" in said[1]
    assert said[2] == "consuming again"
    assert broker.batches == [1]


async def test_what_the_journal_does_not_take_is_not_acknowledged(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    broker = Scripted(platform, [event(number) for number in range(3)], stop)
    broker.openings = 3
    opened, closed = platform.journal, []

    def full() -> object:
        writer = opened()

        def append(_payloads: Sequence[bytes]) -> int:
            raise DiskFull("the disk is full", Fault("journal", "", "free some space"))

        monkeypatch.setattr(writer, "append", append)
        closing = writer.close

        def close() -> None:
            closed.append(1)
            closing()

        monkeypatch.setattr(writer, "close", close)
        return writer

    monkeypatch.setattr(platform, "journal", full)
    said = await consume(platform, broker, stop, batch=1, wait=0.0)
    assert broker.batches == []
    assert said and all("the disk is full" in line for line in said[:1])
    assert len(said) == 1, "said once, though it was met again and again"
    assert closed


async def test_a_stream_that_was_not_applied_is_not_found(platform: Platform) -> None:
    with pytest.raises(NotFound, match="clicks"):
        consumption(
            platform,
            "clicks",
            ADDRESS,
            Terms(),
            print,
            lambda _address, _consumer: Scripted(platform, [], asyncio.Event()),
        )


async def test_an_event_with_a_column_that_was_just_applied_is_not_refused(
    platform: Platform, payments: StreamSource
) -> None:
    stop = asyncio.Event()
    wide = b'{"account_id": "a-1", "amount": "1", "at": 1, "merchant": "m"}'
    unknown = wide.replace(b"merchant", b"colour")
    broker = Scripted(platform, [event(0), wide, unknown], stop)
    taken = broker.take

    async def applying(most: int, wait: float) -> list[Message]:
        found = await taken(most, wait)
        if found and found[0].payload == wide:  # after the definition was looked at, and long before it is again
            wider = msgspec.structs.replace(payments, schema={**payments.schema, "merchant": "text"})
            (view,) = (one.view for one in platform.registry.features.live())
            changed = msgspec.structs.replace(view, source=wider)
            platform.registry.features.apply([changed, wider], platform.clock.now(), actor="test")
        return found

    broker.take = applying  # type: ignore[method-assign]
    broker.acknowledge = _nothing  # type: ignore[method-assign]
    said = await consume(platform, broker, stop, batch=1, wait=0.0)
    assert [("merchant" in push.names, push.rows[0][0]) for push in pushed(platform)] == [(False, "a-0"), (True, "a-1")]
    assert "colour" in said[-1], "what no definition has is refused still"


async def _nothing(messages: Sequence[Message]) -> None: ...
