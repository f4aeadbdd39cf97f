"""A project that is up takes a broker's events: in real processes, with a consumer that is killed on its way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.conformance.redis_server import redis_url
from tests.loop.test_up import DEADLINE, Shop, children_of, lives, wait

from tropism.config import load_settings
from tropism.core.events import Prediction, decode
from tropism.storage.journal import JournalReader
from tropism.wiring import open_platform

pytestmark = [pytest.mark.redis, pytest.mark.fault]
SECRET = "never-shown"
PROJECT = """
from tropism import Feature, Task
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.count("7d"), agg.sum("amount", "7d")])
fraud = Task(name="fraud", kind="binary", target="fraud", features=(Feature("amount"),), views=("spend",))
"""
POISON = {40: b"{no json", 41: b'{"account_id": 5, "amount": "1.00", "at": 1}', 200: b"[]"}


class Till:
    """A stream at Redis."""

    def __init__(self) -> None:
        self.url = redis_url()
        self.stream = f"tropism_{uuid.uuid4().hex[:12]}"
        self.client = redis.Redis.from_url(self.url)
        self.begun = time.time_ns() // 1_000

    @property
    def address(self) -> str:
        return f"{self.url}?stream={self.stream}&hold=1s"

    def pay(self, first: int, last: int) -> None:
        for number in range(first, last):
            event = {"account_id": f"a-{number % 10}", "amount": f"{number}.50", "at": self.begun - number}
            self.client.xadd(self.stream, {"data": POISON.get(number, json.dumps(event).encode())})

    def group(self) -> dict[str, int]:
        """What Redis says of the consumers."""
        found = self.client.xinfo_groups(self.stream)
        return found[0] if found else {"entries-read": 0, "pending": 0, "lag": 1}

    def empty(self) -> bool:
        group = self.group()
        return not group["pending"] and not group["lag"]


@pytest.fixture
def till() -> Iterator[Till]:
    made = Till()
    yield made
    made.client.delete(made.stream)
    made.client.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    made.init()
    (folder / "project.py").write_text(PROJECT)
    yield made
    made.run("down")


def set_streams(shop: Shop, *lines: str) -> None:
    with (shop.folder / "tropism.toml").open("a") as settings:
        settings.write("\n".join(["[features]", "stream_batch = 5", "[features.streams]", *lines, ""]))


def commands(shop: Shop) -> dict[int, str]:
    """The words that each process of the project was started with, as anybody on the machine sees them."""
    supervisor = int((shop.folder / ".tropism" / "up.lock").read_text())
    paths = {pid: Path(f"/proc/{pid}/cmdline") for pid in [supervisor, *children_of(supervisor)]}
    return {pid: path.read_text().replace("\0", " ") for pid, path in paths.items() if path.exists()}


def consumer_of(shop: Shop) -> int:
    """The process of the consumer; 0 while there is none."""
    return next((pid for pid, words in commands(shop).items() if "consumer-payments" in words and lives(pid)), 0)


def expected() -> Counter[str]:
    return Counter(f"a-{number % 10}" for number in range(300) if number not in POISON)


def in_the_lake(shop: Shop) -> Counter[str]:
    platform = open_platform(load_settings(shop.folder, environment={}))
    try:
        rows = platform.lake.read("_streams/payments", columns=["c_account_id"])
        return Counter(row["c_account_id"] for row in rows.to_pylist())
    finally:
        platform.database.dispose()


def log(shop: Shop, name: str) -> str:
    path = shop.folder / ".tropism" / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_events_come_in_once_through_a_consumer_that_is_killed(shop: Shop, till: Till) -> None:
    set_streams(shop, f'payments = "{till.address}"', f'gone = "redis://:{SECRET}@127.0.0.1:1?stream=s"')
    shop.do("up", "--detach")
    wait(lambda: bool(till.client.exists(till.stream)) and consumer_of(shop) > 0)
    killed = consumer_of(shop)
    till.pay(0, 150)
    while till.group()["entries-read"] < 20:
        assert lives(killed)
    os.kill(killed, signal.SIGKILL)
    till.pay(150, 300)
    assert not till.empty()
    wait(lambda: consumer_of(shop) not in (0, killed))
    assert "consumer-payments was killed by signal 9; starting it again" in log(shop, "up")
    wait(till.empty)
    wait(lambda: in_the_lake(shop).total() >= expected().total())
    with shop.client() as client:
        client.wait_ready(DEADLINE)
        rows = [{"account_id": account} for account in expected()]
        wait(lambda: sum(one.values["spend.count_7d"] or 0 for one in client.features(["spend"], rows)) >= 297)
        for account in expected():
            client.predict("fraud", {"amount": 1.0, "account_id": account})
    letters = json.loads(shop.do("streams", "dead-letters", "payments", "--json"))
    assert sorted(one["payload"] for one in letters) == sorted(one.decode() for one in POISON.values())
    assert not any(SECRET in words for words in commands(shop).values())
    waits_once(shop)
    shop.do("down")
    settled(shop)


def waits_once(shop: Shop) -> None:
    """A stream that was never applied: said once at the start, once by its consumer, which goes on waiting."""
    assert log(shop, "up").count("features.streams.gone: no such stream is applied (there are: payments)") == 1
    assert log(shop, "consumer-gone").count("there is no stream 'gone'") == 1
    assert any("consumer-gone" in words for words in commands(shop).values())
    assert SECRET not in log(shop, "up") + log(shop, "consumer-gone")


def settled(shop: Shop) -> None:
    """Once everything has stopped and all of the journal is in the lake, each event is there once, and was served."""
    platform = open_platform(load_settings(shop.folder, environment={}))
    try:
        platform.ingest()
        assert in_the_lake(shop) == expected()
        records = JournalReader(platform.journal_folder).read({}, limit=100_000)
        found = [one for record in records for one in decode(record.payload) if isinstance(one, Prediction)]
        counts = {one.served.keys["account_id"]: one.features["spend.count_7d"] for one in found if one.served}
        assert counts == expected()
    finally:
        platform.database.dispose()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_a_stream_that_is_applied_later_is_consumed_then(shop: Shop, till: Till) -> None:
    without = PROJECT.replace("payments = StreamSource", "dropped = StreamSource").replace('"payments"', '"others"')
    (shop.folder / "project.py").write_text(without.replace("source=payments", "source=dropped"))
    set_streams(shop, f'payments = "{till.address}"')
    till.pay(0, 5)
    shop.do("up", "--detach")
    wait(lambda: "there is no stream 'payments'" in log(shop, "consumer-payments"))
    process = consumer_of(shop)
    later = 'payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})\n'
    with (shop.folder / "project.py").open("a") as file:
        file.write(later)
    shop.do("features", "apply")
    wait(lambda: in_the_lake(shop).total() == 5)
    (shop.folder / "project.py").write_text((shop.folder / "project.py").read_text().replace(later, ""))
    shop.do("features", "drop", "payments", 1, "--kind", "stream")
    wait(lambda: "the stream 'payments' was dropped" in log(shop, "consumer-payments"))
    assert consumer_of(shop) == process


def test_a_container_consumes_every_stream_and_stops_when_told(shop: Shop, till: Till) -> None:
    (shop.folder / "project.py").write_text(
        f"{PROJECT}\nclicks = StreamSource('clicks', timestamp='at', schema={{}})\n"
    )
    shop.do("apply")
    till.pay(0, 300)
    words = [sys.executable, "-m", "tropism", "-C", str(shop.folder), "run", "consumer"]
    streams = {"PAYMENTS": till.address, "CLICKS": f"redis://:{SECRET}@127.0.0.1:1?stream=s"}
    environment = {**os.environ, **{f"TROPISM_STREAM_{name}": address for name, address in streams.items()}}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as container:
        wait(lambda: bool(till.client.exists(till.stream)) and till.group()["entries-read"] == 300 and till.empty())
        container.send_signal(signal.SIGTERM)
        _, said = container.communicate(timeout=DEADLINE)
    assert container.returncode == 0
    assert said.count("clicks from redis://127.0.0.1:1: no messages from Redis") == 1
    assert " payments from redis://" in said and "consuming" in said
    assert SECRET not in said and "Traceback" not in said
    platform = open_platform(load_settings(shop.folder, environment={}))
    platform.ingest()
    platform.database.dispose()
    assert in_the_lake(shop) == expected()
