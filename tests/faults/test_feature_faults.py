"""Machines that fail below features: processes that are killed, an online store that is emptied, away or hangs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import redis
from tests.loop.test_features_up import Store
from tests.loop.test_up import Shop, wait

from tropism.config import load_settings
from tropism.features.store.streams import events_of, stream_rows
from tropism.features.windows import window_values
from tropism.wiring import open_platform


class Server:
    """A Redis server of our own."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("there is no redis-server to start")
        self._program, self.port = program, _free_port()
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        wait(self._answers)

    def flush(self) -> None:
        with redis.Redis(port=self.port, db=9) as client:
            client.flushdb()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.kill()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Store(folder)
    made.init()
    yield made
    made.run("down")


@pytest.fixture
def remote(store: Store, server: Server) -> Store:
    settings = store.folder / "tropism.toml"
    settings.write_text(f'{settings.read_text()}online = "redis://127.0.0.1:{server.port}/9"\n')
    store.do("up", "--detach")
    wait(lambda: store.values("profile.segment") == {"profile.segment": "gold"})
    return store


def degraded(store: Store) -> list[str]:
    found: list[str] = store.predict()["degraded"]
    return found


def test_an_online_store_that_is_emptied_fills_by_itself(remote: Store, server: Server) -> None:
    server.flush()
    assert degraded(remote) == ["no-model"]
    wait(lambda: remote.values("profile.segment") == {"profile.segment": "gold"})


def test_an_online_store_that_goes_and_comes_back_needs_nobody(remote: Store, server: Server) -> None:
    server.kill()
    for _ in range(30):
        assert "features-unavailable" in degraded(remote)
    server.start()
    wait(lambda: remote.values("profile.segment") == {"profile.segment": "gold"})
    wait(lambda: degraded(remote) == ["no-model"])
    assert remote.log("data-plane").count("the features of 'fraud' cannot be read") == 1


def test_an_online_store_that_hangs_holds_nobody_up_for_long(remote: Store, server: Server) -> None:
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        took: list[float] = []

        def ask() -> None:
            begun = time.monotonic()
            assert "features-unavailable" in degraded(remote)
            took.append(time.monotonic() - begun)

        threads = [threading.Thread(target=ask) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(took) == 40
        assert max(took) < 10  # five seconds each, one after the other in a few threads, would be over thirty
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait(lambda: degraded(remote) == ["no-model"])


def test_what_was_acknowledged_is_in_the_lake_once_whatever_is_killed(store: Store) -> None:
    store.do("up", "--detach")
    acknowledged: list[str] = []
    stop = threading.Event()

    def push() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            moment = datetime.now(UTC).isoformat()
            event = {"at": moment, "account_id": "k", "amount": f"{number}.00"}
            if _accepted(store, stop, {"events": [event], "id": f"push-{number}"}):
                acknowledged.append(event["amount"])

    thread = threading.Thread(target=push)
    thread.start()
    for _ in range(3):
        _wait_for_more(acknowledged)
        for process in store.pids()[1:]:
            os.kill(process, signal.SIGKILL)
    _wait_for_more(acknowledged)
    stop.set()
    thread.join()
    _require_whole(store, acknowledged)


def _wait_for_more(acknowledged: list[str]) -> None:
    before = len(acknowledged)
    wait(lambda: len(acknowledged) > before + 20)


def _accepted(store: Shop, stop: threading.Event, body: dict[str, Any]) -> bool:
    """Sends until it is taken; the id makes it count once."""
    while True:
        try:
            reply = httpx.post(f"{store.address}/v1/features/payments/events", json=body, timeout=5)
            if reply.status_code == 202:
                return True
        except httpx.HTTPError:
            pass
        if stop.is_set():
            return False


def _require_whole(store: Store, acknowledged: list[str]) -> None:
    platform = open_platform(load_settings(store.folder, environment={}))
    source, view = platform.features.stream("payments"), platform.features.definitions().views["spend"].view

    def rows() -> pa.Table:
        return stream_rows(platform.lake, source, list(source.schema))

    wait(lambda: set(acknowledged) <= {str(one) for one in rows()["c_amount"].to_pylist()})
    counts = Counter(str(one) for one in rows()["c_amount"].to_pylist())
    assert {amount: counts[amount] for amount in acknowledged} == dict.fromkeys(acknowledged, 1)

    def equal() -> bool:
        now = platform.clock.now()
        labels = pa.table({"account_id": ["k"], "t": pa.array([now]).cast(pa.timestamp("us", "UTC"))})
        offline = window_values(view, events_of(rows()), labels, "t")
        (online,) = platform.features.windows.read(view, ["k"], now).values
        return online == {name: offline[name][0].as_py() for name in view.names}

    wait(equal)
