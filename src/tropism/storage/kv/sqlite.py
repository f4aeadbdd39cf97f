"""A key-value store in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tropism.core.clock import Clock, SystemClock
from tropism.core.errors import DiskFull, Fault, NotReady, NotWritable
from tropism.storage.kv.base import KV, checked_ttl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kv_expires ON kv (expires) WHERE expires IS NOT NULL;
"""
_GET = "SELECT key, value FROM kv WHERE key IN (SELECT value FROM json_each(?)) AND (expires IS NULL OR expires > ?)"
_PUT = """INSERT INTO kv (key, value, expires) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires"""
_DELETE = "DELETE FROM kv WHERE key IN (SELECT value FROM json_each(?))"
_PURGE = "DELETE FROM kv WHERE key IN (SELECT key FROM kv WHERE expires <= ? LIMIT 1000)"
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_DENIED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


class SQLiteKV(KV):
    """Shared by any number of processes on one machine. In WAL mode with `synchronous=NORMAL`: a power cut may
    lose the last writes, but leaves the file whole.

    >>> store = SQLiteKV(":memory:")
    >>> store.put_many({"a": b"1"})
    >>> store.get_many(["b", "a"])
    [None, b'1']
    >>> store.close()
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        """`url`: `sqlite:///path`, a plain path, or `:memory:`. `clock`: tells when a value has expired.

        Raises:
            NotWritable: the file cannot be opened.
        """
        self._path = url.removeprefix("sqlite:///") or ":memory:"
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        with self._translated():
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.executescript(_SCHEMA)
            except sqlite3.Error:
                self._connection.close()
                raise

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._lock, self._translated():
            found = dict(self._connection.execute(_GET, (json.dumps(keys), self._clock.now())))
        return [found.get(key) for key in keys]

    def put_many(self, items: Mapping[str, bytes], ttl: int | None = None) -> None:
        now = self._clock.now()
        expires = None if checked_ttl(ttl) is None else now + (ttl or 0)
        with self._writing() as connection:
            connection.execute(_PURGE, (now,))
            connection.executemany(_PUT, ((key, value, expires) for key, value in items.items()))

    def delete_many(self, keys: Collection[str]) -> None:
        with self._writing() as connection:
            connection.execute(_DELETE, (json.dumps(list(keys)),))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction. It takes the write lock first, so it waits its turn instead of failing late."""
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code in _FULL:
                fault = Fault("kv", self._path, "free space on the disk of this file, then try again")
                raise DiskFull(f"no room in the key-value store: {error}", fault) from error
            if code & 0xFF in _DENIED or isinstance(error, OSError):
                fault = Fault("kv", self._path, "make the file and its folder writable by this user")
                raise NotWritable(f"the key-value store cannot be opened: {error}", fault) from error
            fault = Fault("kv", self._path, "try again; if it stays, check the file and restart the process")
            raise NotReady(f"the key-value store does not answer: {error}", fault) from error
