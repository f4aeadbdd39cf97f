"""What only the Redis store has to bear: a server that goes away, is flushed, is full, and drops what is over."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tropism.core.errors import DiskFull, NotReady, SettingInvalid
from tropism.features.online import OnlineReader, OnlineView, Packing, Status
from tropism.features.online.redis import RedisOnlineStore
from tropism.features.types import dtype

PACKING = Packing([dtype("integer")])
VIEW = "spend@3f2a"


def row(event: int, created: int = 0, value: int | None = None) -> bytes:
    return PACKING.pack(event, created, [value])


@contextmanager
def own_redis(port: int, *options: str) -> Iterator[None]:
    """A server of our own, which may be flushed and stopped."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server to start")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options], stdout=subprocess.DEVNULL
    )
    client = redis.Redis(port=port)
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                client.ping()
                break
            except redis.exceptions.RedisError:
                assert time.monotonic() < deadline, "the server did not start"
        yield
    finally:
        client.close()
        server.kill()
        server.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.redis
def test_a_redis_that_is_away_is_not_ready_and_serves_again_when_it_is_back() -> None:
    port = free_port()
    store = RedisOnlineStore(f"redis://user:secret@127.0.0.1:{port}/0")
    for work in (
        lambda: store.read([(VIEW, ["a"])]),
        lambda: store.write(VIEW, ["a"], [row(1)]),
        lambda: store.delete_view(VIEW),
    ):
        with pytest.raises(NotReady) as caught:
            work()
        assert "secret" not in str(caught.value)
    store.close()

    store = RedisOnlineStore(f"redis://127.0.0.1:{port}/0")
    for _ in range(2):  # the second time over a connection that broke, and without the script
        with own_redis(port):
            assert store.read([(VIEW, ["a"])]) == [[None]]
            assert store.write(VIEW, ["a"], [row(1)]) == 1
            assert store.read([(VIEW, ["a"])]) == [[row(1)]]
    store.close()


@pytest.mark.redis
def test_what_a_flushed_redis_lost_reads_as_missing_and_can_be_written_again() -> None:
    port = free_port()
    with own_redis(port):
        store, client = RedisOnlineStore(f"redis://127.0.0.1:{port}/0"), redis.Redis(port=port)
        reader = OnlineReader(store, [OnlineView("spend", VIEW, ("count",), PACKING.dtypes)])
        store.write(VIEW, ["a"], [row(5, 5, 7)])
        assert reader.get(["a"], ["spend.count"], 10).rows() == [{"spend.count": 7}]

        client.flushall()
        client.script_flush()

        found = reader.get(["a"], ["spend.count"], 10)
        assert found.statuses == {"spend": [Status.MISSING]}
        assert found.rows() == [{"spend.count": None}]
        assert store.write(VIEW, ["a"], [row(4, 4, 6)]) == 1
        assert reader.get(["a"], ["spend.count"], 10).rows() == [{"spend.count": 6}]
        store.close()
        client.close()


@pytest.mark.redis
def test_a_redis_without_room_says_so_and_still_reads() -> None:
    port = free_port()
    with own_redis(port):
        store, client = RedisOnlineStore(f"redis://127.0.0.1:{port}/0"), redis.Redis(port=port)
        store.write(VIEW, ["a"], [row(1)])
        client.config_set("maxmemory", 1)
        with pytest.raises(DiskFull, match="maxmemory"):
            store.write(VIEW, ["a"], [row(2)])
        assert store.read([(VIEW, ["a"])]) == [[row(1)]]
        store.close()
        client.close()


@pytest.mark.redis
def test_redis_drops_a_row_when_its_time_to_keep_is_over() -> None:
    port = free_port()
    with own_redis(port):
        store = RedisOnlineStore(f"redis://127.0.0.1:{port}/0")
        store.write(VIEW, ["short", "long", "ever"], [row(5)] * 3, keep=20_000)
        store.write(VIEW, ["long"], [row(6)], keep=3_600_000_000)
        store.write(VIEW, ["ever"], [row(5)])
        store.write(VIEW, ["ever", "long"], [row(4)] * 2, keep=1)  # older ones change nothing

        deadline = time.monotonic() + 5
        while store.read([(VIEW, ["short"])]) != [[None]]:
            assert time.monotonic() < deadline, "a row outlived its time"
        assert store.read([(VIEW, ["long", "ever"])]) == [[row(6), row(5)]]
        store.close()


def test_what_is_no_url_of_redis_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="redis://"):
        RedisOnlineStore("localhost")
