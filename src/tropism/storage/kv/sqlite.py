"""A key-value store in one SQLite file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tropism.core.clock import Clock, SystemClock
from tropism.storage.kv.base import KV, checked_ttl
from tropism.storage.kv.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kv_expires ON kv (expires) WHERE expires IS NOT NULL;
"""
_GET = "SELECT key, value FROM kv WHERE key IN (SELECT value FROM json_each(?)) AND (expires IS NULL OR expires > ?)"
_PUT = """INSERT INTO kv (key, value, expires) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires"""
_DELETE = "DELETE FROM kv WHERE key IN (SELECT value FROM json_each(?))"
_PURGE = "DELETE FROM kv WHERE key IN (SELECT key FROM kv WHERE expires <= ? LIMIT 1000)"


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
        self._clock = clock or SystemClock()
        self._file = SQLiteFile(url, _SCHEMA, "the key-value store", "kv")

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._file.reading() as connection:
            found = dict(connection.execute(_GET, (json.dumps(keys), self._clock.now())))
        return [found.get(key) for key in keys]

    def put_many(self, items: Mapping[str, bytes], ttl: int | None = None) -> None:
        now = self._clock.now()
        expires = None if checked_ttl(ttl) is None else now + (ttl or 0)
        with self._file.transaction() as connection:
            connection.execute(_PURGE, (now,))
            connection.executemany(_PUT, ((key, value, expires) for key, value in items.items()))

    def delete_many(self, keys: Collection[str]) -> None:
        with self._file.transaction() as connection:
            connection.execute(_DELETE, (json.dumps(list(keys)),))

    def close(self) -> None:
        self._file.close()
