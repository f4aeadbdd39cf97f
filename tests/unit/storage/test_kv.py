from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tropism.core.clock import ManualClock
from tropism.core.errors import DiskFull, NotReady, NotWritable, SettingInvalid
from tropism.core.plugins import load, names
from tropism.storage.kv import KV
from tropism.storage.kv.redis import RedisKV
from tropism.storage.kv.sqlite import SQLiteKV


def test_stores_are_found_by_name() -> None:
    assert {"sqlite", "redis"} <= set(names("tropism.kv"))
    assert load("tropism.kv", "sqlite") is SQLiteKV
    assert issubclass(load("tropism.kv", "redis"), KV)


def test_sqlite_values_expire_by_the_clock_they_were_given(tmp_path: Path) -> None:
    clock = ManualClock(1_000)
    store = SQLiteKV(f"sqlite:///{tmp_path / 'a' / 'kv.sqlite'}", clock)
    store.put_many({"a": b"1"}, ttl=10)

    clock.advance(9)
    assert store.get_many(["a"]) == [b"1"]
    clock.advance(1)
    assert store.get_many(["a"]) == [None]
    store.close()


def test_sqlite_values_that_expired_take_no_room_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "kv.sqlite"
    store = SQLiteKV(str(path), clock)
    for _ in range(200):
        store.put_many({f"{clock.now()}-{number}": b"x" * 1_000 for number in range(10)}, ttl=1)
        clock.advance(1)
    store.close()

    assert path.stat().st_size < 200_000


def test_sqlite_keeps_what_was_put_for_the_next_process(tmp_path: Path) -> None:
    path = str(tmp_path / "kv.sqlite")
    store = SQLiteKV(path)
    store.put_many({"a": b"1"})
    store.close()

    again = SQLiteKV(path)
    assert again.get_many(["a"]) == [b"1"]
    again.close()


def test_sqlite_says_when_its_file_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritable) as caught:
        SQLiteKV(str(tmp_path / "file" / "kv.sqlite"))
    assert "kv.sqlite" in caught.value.faults[0].value


def test_sqlite_says_when_its_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "kv.sqlite").write_text("this is a diary and no database at all, although it is long enough" * 20)
    with pytest.raises(NotReady, match="not a database"):
        SQLiteKV(str(tmp_path / "kv.sqlite"))


def test_sqlite_without_room_stores_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = SQLiteKV(str(tmp_path / "kv.sqlite"))
    store.put_many({"a": b"1"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DiskFull):
            store.put_many({"a": b"2", **{str(number): b"x" * 10_000 for number in range(100)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert store.get_many(["a", "0"]) == [b"1", None]
    store.put_many({"a": b"3"})
    assert store.get_many(["a"]) == [b"3"]
    store.close()


def test_a_closed_sqlite_store_says_so(tmp_path: Path) -> None:
    store = SQLiteKV(str(tmp_path / "kv.sqlite"))
    store.close()
    with pytest.raises(NotReady):
        store.get_many(["a"])


def test_redis_away_is_said_without_its_password() -> None:
    store = RedisKV("redis://user:secret@127.0.0.1:1/0")
    with pytest.raises(NotReady) as caught:
        store.get_many(["a"])
    store.close()
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_redis_refuses_what_is_no_url_of_it() -> None:
    with pytest.raises(SettingInvalid, match="redis://"):
        RedisKV("http://127.0.0.1")
