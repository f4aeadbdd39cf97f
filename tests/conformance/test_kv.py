"""The contract of every key-value store, over SQLite and Redis."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.conformance.redis_server import redis_url

from tropism.core.errors import InvalidInput
from tropism.storage.kv import KV
from tropism.storage.kv.redis import RedisKV
from tropism.storage.kv.sqlite import SQLiteKV

Open = Callable[[], KV]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store again and again, as other processes would."""
    stores: list[KV] = []
    url = redis_url() if request.param == "redis" else f"sqlite:///{tmp_path / 'kv.sqlite'}"
    prefix = f"tropism-test-{uuid.uuid4().hex}:"

    def connect() -> KV:
        stores.append(RedisKV(url, prefix=prefix) if request.param == "redis" else SQLiteKV(url))
        return stores[-1]

    yield connect
    for store in stores:
        store.close()
    if request.param == "redis":
        client = redis.Redis.from_url(url)
        for key in client.scan_iter(f"{prefix}*", count=10_000):
            client.delete(key)
        client.close()


@pytest.fixture
def store(opener: Open) -> KV:
    return opener()


def test_values_come_in_the_order_asked_with_none_for_absent_ones(store: KV) -> None:
    store.put_many({"a": b"1", "b": b"\x00\xff", "c": b""})

    assert store.get_many(["c", "x", "a", "b", "a"]) == [b"", None, b"1", b"\x00\xff", b"1"]


def test_nothing_asked_or_given_is_nothing_done(store: KV) -> None:
    store.put_many({})
    store.delete_many([])
    assert store.get_many([]) == []


def test_a_later_value_replaces_an_earlier_one(store: KV) -> None:
    store.put_many({"a": b"1", "b": b"1"})
    store.put_many({"a": b"2"})
    assert store.get_many(["a", "b"]) == [b"2", b"1"]


def test_deleted_keys_are_gone_and_absent_ones_do_not_matter(store: KV) -> None:
    store.put_many({"a": b"1", "b": b"2"})
    store.delete_many(["a", "never"])
    assert store.get_many(["a", "b"]) == [None, b"2"]


def test_many_and_large_values(store: KV) -> None:
    items = {f"key-{number}": str(number).encode() for number in range(3_000)} | {"large": b"x" * 2_000_000}
    store.put_many(items)
    assert store.get_many(list(items)) == list(items.values())
    store.delete_many(list(items))
    assert store.get_many(list(items)) == [None] * len(items)


@pytest.mark.parametrize("key", ["", " ", "it's", 'a "quote"', "%_*?[x]", "ключ-☃-𝄞", "a\nb", "k" * 5_000])
def test_any_text_is_a_key(store: KV, key: str) -> None:
    store.put_many({key: b"1"})
    assert store.get_many([key, key + "x"]) == [b"1", None]


def test_a_value_is_gone_after_its_time_to_live(store: KV) -> None:
    store.put_many({"short": b"1", "also": b"1"}, ttl=20_000)
    store.put_many({"long": b"1"}, ttl=3_600_000_000)
    store.put_many({"ever": b"1"})

    deadline = time.monotonic() + 5
    while store.get_many(["short", "also"]) != [None, None]:
        assert time.monotonic() < deadline, "a value outlived its time to live"
    assert store.get_many(["long", "ever"]) == [b"1", b"1"]


def test_the_shortest_time_to_live_is_accepted(store: KV) -> None:
    store.put_many({"a": b"1"}, ttl=1)
    deadline = time.monotonic() + 5
    while store.get_many(["a"]) != [None]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("ttl", [0, -5])
def test_a_time_to_live_that_is_none_is_refused_and_stores_nothing(store: KV, ttl: int) -> None:
    with pytest.raises(InvalidInput, match="ttl"):
        store.put_many({"a": b"1"}, ttl=ttl)
    assert store.get_many(["a"]) == [None]


def test_putting_again_without_a_time_to_live_lifts_it(store: KV) -> None:
    store.put_many({"lifted": b"1", "not": b"1"}, ttl=30_000)
    store.put_many({"lifted": b"2"})

    deadline = time.monotonic() + 5
    while store.get_many(["not"]) != [None]:
        assert time.monotonic() < deadline
    assert store.get_many(["lifted"]) == [b"2"]


def test_two_connections_see_each_other(opener: Open) -> None:
    first, second = opener(), opener()
    first.put_many({"a": b"1"})
    assert second.get_many(["a"]) == [b"1"]
    second.delete_many(["a"])
    assert first.get_many(["a"]) == [None]


def test_a_put_is_seen_whole_or_not_at_all_from_any_thread(opener: Open) -> None:
    writer, reader = opener(), opener()
    keys = [f"k{number}" for number in range(50)]
    writer.put_many(dict.fromkeys(keys, b"0"))
    stop = threading.Event()
    torn: list[list[bytes | None]] = []

    def watch() -> None:
        while not stop.is_set():
            values = reader.get_many(keys)
            if len(set(values)) != 1:
                torn.append(values)

    def write(start: int) -> None:
        for number in range(start, start + 50):
            writer.put_many(dict.fromkeys(keys, str(number).encode()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    writers = [threading.Thread(target=write, args=(start,)) for start in (100, 200, 300)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    watcher.join()

    assert torn == []


def test_closing_twice_is_fine(store: KV) -> None:
    store.close()
    store.close()
