"""The contract of brokers, over Redis, NATS and a stand-in for Kafka's client; and consumers that are killed, or whose
broker goes away.

Run as a script, this file is a consumer that kills itself between its flush and its acknowledgement.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from tests.conformance.stream_servers import KafkaStandIn, NatsServer, RedisServer, Server

from tropism.config import load_settings
from tropism.core.errors import NotReady
from tropism.core.events import Push, decode
from tropism.entrypoints.streams.base import Broker, Message
from tropism.entrypoints.streams.consuming import Terms
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.opening import broker_at
from tropism.entrypoints.streams.running import consumption
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg
from tropism.features.brokers import Address, parse_address
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform, open_platform

PATIENCE = 60.0
PAYMENTS = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
SPEND = FeatureView(
    "spend", entity=Entity("account", key="account_id"), source=PAYMENTS, fields=(agg.sum("amount", "24h"),)
)
KINDS = {"redis": RedisServer, "nats": NatsServer, "kafka": KafkaStandIn}
REAL = [pytest.param("redis", marks=pytest.mark.redis), "nats"]


@pytest.fixture(params=[*REAL, "kafka"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    made: Server = KINDS[request.param]()
    await made.begin()
    yield made
    await made.end()


def project(folder: Path) -> Platform:
    """One with the stream `payments`."""
    platform = open_platform(load_settings(folder, {"journal": {"fsync": "os"}}, {}))
    platform.registry.features.apply([SPEND], platform.clock.now(), actor="test")
    return platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = project(tmp_path)
    yield made
    made.database.dispose()


def events(first: int, count: int) -> list[bytes]:
    return [
        json.dumps(
            {"account_id": f"a-{number}", "amount": f"{number}.50", "at": 1_700_000_000_000_000 + number}
        ).encode()
        for number in range(first, first + count)
    ]


def pushed(platform: Platform) -> list[Push]:
    records = JournalReader(platform.journal_folder).read({}, limit=100_000)
    return [one for record in records for one in decode(record.payload) if isinstance(one, Push)]


async def taken(broker: Broker, count: int) -> list[Message]:
    """So many messages, however often one has to ask."""
    found: list[Message] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await broker.take(count - len(found), 0.2)
    return found


async def test_messages_come_in_batches_and_in_order(server: Server) -> None:
    await server.publish(events(0, 5))
    broker = server.broker()
    await broker.open()
    first = await broker.take(3, 1.0)
    assert len(first) <= 3
    found = [*first, *await taken(broker, 5 - len(first))]
    assert [json.loads(one.payload)["account_id"] for one in found] == [f"a-{number}" for number in range(5)]
    assert [one.place for one in found] == sorted({one.place for one in found})
    assert all(one.place > 0 for one in found)
    assert len({one.id for one in found}) == 5
    await broker.acknowledge(found)
    assert await broker.take(1, 0.05) == []
    await broker.close()


async def test_what_is_not_acknowledged_comes_again_by_the_same_id(server: Server) -> None:
    await server.publish(events(0, 6))
    broker = server.broker()
    await broker.open()
    found = await taken(broker, 6)
    await broker.acknowledge(found[:2])
    await broker.close()
    again = server.broker()
    await again.open()
    rest = await taken(again, 4)
    assert sorted(one.id for one in rest) == sorted(one.id for one in found[2:])
    assert {one.id: one.payload for one in rest} == {one.id: one.payload for one in found[2:]}
    await again.acknowledge(rest)
    await again.close()
    last = server.broker()
    await last.open()
    assert await last.take(10, 0.05) == []
    await last.close()


async def test_another_consumer_is_given_what_a_dead_one_left(server: Server) -> None:
    await server.publish(events(0, 4))
    dead = server.broker("dead")
    await dead.open()
    left = await taken(dead, 4)
    await dead.close()
    heir = server.broker("heir")
    await heir.open()
    assert sorted(one.id for one in await taken(heir, 4)) == sorted(one.id for one in left)
    await heir.close()


async def test_a_standing_says_how_many_messages_are_left(server: Server) -> None:
    await server.publish(events(0, 7))
    broker = server.broker()
    await broker.open()
    found = await taken(broker, 7)
    await broker.acknowledge(found[:3])
    asking = server.broker("asking")
    await asking.open(join=False)
    standing = (await asking.standings())[0]
    assert standing.lag == 4
    assert standing.partition == found[0].partition
    await broker.acknowledge(found[3:])
    standing = (await asking.standings())[0]
    assert standing.lag == 0
    assert standing.consumed is not None
    assert standing.consumed == standing.end
    for one in (asking, broker):
        await one.close()


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1?stream=s", "nats://127.0.0.1:1?stream=s"])
async def test_a_server_that_is_away_is_not_ready(address: str) -> None:
    broker = broker_at(parse_address(address, "payments"))
    with pytest.raises(NotReady, match="no messages from"):
        await broker.open()
    await broker.close()


async def test_poison_holds_up_nothing_and_is_there_once_with_its_reason(server: Server, platform: Platform) -> None:
    good = events(0, 10)
    late = json.dumps({"account_id": "a-1", "amount": "1", "at": "2999-01-01T00:00:00Z"}).encode()
    bad = [b"{no json", b"[1]", b'{"account_id": 5, "amount": "1", "at": 1}', late, b'"' + b"x" * 1_100_000 + b'"']
    if isinstance(server, NatsServer):
        bad.pop()  # its server takes no message above 1 MB
    await server.publish([*good[:4], *bad, *good[4:]])
    await consumed(platform, server, len(good) + len(bad))
    assert [push.rows[0][0] for push in pushed(platform)] == [f"a-{number}" for number in range(10)]
    letters = DeadLetters(platform.lake).newest("payments", 100)
    assert sorted(one.payload for one in letters) == sorted(payload[:1_000_000] for payload in bad)
    reasons = {one.payload[:20]: one.reason for one in letters}
    assert "not JSON" in reasons[b"{no json"]
    assert "account_id: got 5; send a string" in reasons[bad[2][:20]]
    assert "from the future" in reasons[late[:20]]


async def consumed(platform: Platform, server: Server, count: int) -> None:
    """Consumes so many messages, then stops."""
    stop, seen = asyncio.Event(), 0

    def broker(address: Address, consumer: str) -> Broker:
        made = server.broker(consumer or "one")
        acknowledge = made.acknowledge

        async def counted(messages: Sequence[Message]) -> None:
            nonlocal seen
            await acknowledge(messages)
            seen += len(messages)
            if seen >= count:
                stop.set()

        made.acknowledge = counted  # type: ignore[method-assign]
        return made

    said: list[str] = []
    found = consumption(platform, "payments", server.address, Terms(), said.append, broker)
    async with asyncio.timeout(PATIENCE):
        await found.run(stop)


@pytest.mark.fault
@pytest.mark.parametrize("kind", REAL)
async def test_killed_between_flush_and_acknowledgement_each_message_counts_once(kind: str, tmp_path: Path) -> None:
    made: Server = KINDS[kind]()
    await made.begin()
    try:
        platform = project(tmp_path)
        payloads = events(0, 300)
        payloads[50], payloads[120] = b"poison 50", b"poison 120"
        await made.publish(payloads)
        kills = 0
        for at in (1, 2, 3, 1):
            done = await asyncio.to_thread(_run_child, tmp_path, made.text(), at)
            assert done.returncode == -signal.SIGKILL, done.stderr
            kills += 1
        assert kills == 4
        done = await asyncio.to_thread(_run_child, tmp_path, made.text(), 0)
        assert done.returncode == 0, done.stderr
        found = pushed(platform)
        by_id = {push.id: push.rows[0][0] for push in found}
        assert len(found) > len(by_id), "a message was journalled, and again after the kill"
        assert sorted(by_id.values()) == sorted(f"a-{number}" for number in range(300) if number not in (50, 120))
        assert all(by_id[push.id] == push.rows[0][0] for push in found)
        letters = DeadLetters(platform.lake).newest("payments", 100)
        assert Counter(one.payload for one in letters) == {b"poison 50": 1, b"poison 120": 1}
        platform.ingest()
        rows = platform.lake.read("_streams/payments", columns=["c_account_id"])["c_account_id"].to_pylist()
        assert sorted(rows) == sorted(by_id.values()), "each once in the lake"
        platform.database.dispose()
    finally:
        await made.end()


def _run_child(folder: Path, address: str, kill_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, __file__, str(folder), address, str(kill_at)]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)


def _child(folder: Path, text: str, kill_at: int) -> None:
    """Kills itself instead of the acknowledgement of that number; 0: ends when nothing is left."""
    platform, stop, calls = open_platform(load_settings(folder)), asyncio.Event(), 0

    def broker(address: Address, consumer: str) -> Broker:
        made = broker_at(address, consumer)
        acknowledge = made.acknowledge

        async def killing(messages: Sequence[Message]) -> None:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            await acknowledge(messages)
            if not kill_at and (await made.standings())[0].lag == 0:
                stop.set()

        made.acknowledge = killing  # type: ignore[method-assign]
        return made

    terms = Terms(batch=20, wait=0.02)
    found = consumption(platform, "payments", parse_address(text, "payments"), terms, lambda _: None, broker)
    asyncio.run(found.run(stop))


class OwnServer:
    """A server that a test may stop, with its data on the disk."""

    def __init__(self, kind: str, folder: Path) -> None:
        program = shutil.which(f"{kind}-server") or f"/usr/sbin/{kind}-server"
        if not Path(program).exists():
            pytest.skip(f"there is no {kind}-server on this machine")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._kind = kind
        common = ["-p", str(self.port), "-a", "127.0.0.1", "-js", "-sd", str(folder)]
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder)]
        redis = ["--port", str(self.port), "--bind", "127.0.0.1", *kept]
        self._command = [program, *(redis if kind == "redis" else common)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self._kind}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.mark.fault
@pytest.mark.parametrize("kind", REAL)
async def test_a_broker_that_is_away_and_comes_back_loses_nothing(
    kind: str, tmp_path: Path, platform: Platform
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    own = OwnServer(kind, folder)
    made: Server = RedisServer(own.url) if kind == "redis" else NatsServer(own.url)
    said: asyncio.Queue[str] = asyncio.Queue()
    stop = asyncio.Event()
    found = consumption(platform, "payments", made.address, Terms(wait=0.01), said.put_nowait)
    running = asyncio.create_task(found.run(stop))
    try:
        async with asyncio.timeout(PATIENCE):
            assert "no messages from" in await said.get(), "away from the start"
            await own.start()
            await made.begin()
            await made.publish(events(0, 50))
            assert await _until(said, "consuming") < 3, "it says what is wrong once"
            await _journalled(platform, 50)
            own.kill()
            assert await _until(said, "no messages from") == 1
            await own.start()
            await made.publish(events(50, 50))
            assert await _until(said, "consuming again") < 3
            await _journalled(platform, 100)
            stop.set()
            await running
    finally:
        stop.set()
        running.cancel()
        own.kill()
    rows = {push.id: push.rows[0][0] for push in pushed(platform)}
    assert sorted(rows.values()) == sorted(f"a-{number}" for number in range(100))


async def _until(said: asyncio.Queue[str], text: str) -> int:
    """Waits for a line; how many came with it."""
    lines = 1
    while text not in await said.get():
        lines += 1
    return lines


async def _journalled(platform: Platform, count: int) -> None:
    while len({push.id for push in pushed(platform)}) < count:
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
