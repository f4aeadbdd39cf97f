"""An online store in one SQLite file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput
from tropism.features.online.store import OnlineStore
from tropism.storage.kv.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

# Ids of views are never given to another view, so that every process may remember them.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS views (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS online (view INTEGER NOT NULL, key TEXT NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (view, key)) WITHOUT ROWID;
"""
_PRAGMAS = ("mmap_size=268435456", "cache_size=-16384")
# Bytes 2 to 17 are `layout.STAMP`.
_WRITE = """INSERT INTO online (view, key, row) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET row = excluded.row WHERE substr(online.row, 2, 16) <= substr(excluded.row, 2, 16)"""
# A subquery per key gives the rows in the order asked, and NULL for those that are not there.
_READ = "SELECT (SELECT row FROM online WHERE view = ?1 AND key = wanted.value) FROM json_each(?2) AS wanted"
_ONE = "SELECT row FROM online WHERE view = ? AND key = ?"


class SQLiteOnlineStore(OnlineStore):
    """Shared by any number of processes on one machine. In WAL mode with `synchronous=NORMAL`: a write is there whole
    or not at all; a power cut may lose the last ones, but leaves the file whole.

    >>> from tropism.features.online.packing import Packing
    >>> store, packing = SQLiteOnlineStore(":memory:"), Packing([])
    >>> old, new = packing.pack(1, 1, []), packing.pack(2, 2, [])
    >>> store.write("spend@1", ["17"], [new]), store.write("spend@1", ["17"], [old])
    (1, 0)
    >>> store.read([("spend@1", ["18", "17"])]) == [[None, new]]
    True
    >>> store.close()
    """

    def __init__(self, url: str) -> None:
        """`url`: `sqlite:///path`, a plain path, or `:memory:`.

        Raises:
            NotWritable: the file cannot be opened.
        """
        self._ids: dict[str, int] = {}
        self._file = _File(url, _SCHEMA, "the online store", "online", _PRAGMAS)

    def write(self, view: str, keys: Sequence[str], rows: Sequence[bytes], keep: int | None = None) -> int:
        del keep  # rows are replaced in their place, so what is out of date costs no more than what is not
        if not keys:
            return 0
        with _text(), self._file.transaction() as connection:
            known = self._id(connection, view)
            if known is None:
                connection.execute("INSERT INTO views (name) VALUES (?)", (view,))
                known = self._id(connection, view)
            return connection.executemany(_WRITE, zip(repeat(known, len(keys)), keys, rows, strict=True)).rowcount

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        with _text(), self._file.reading() as connection:
            return [self._rows(connection, view, keys) for view, keys in wanted]

    def _rows(self, connection: sqlite3.Connection, view: str, keys: Sequence[str]) -> list[bytes | None]:
        known = self._id(connection, view)
        if known is None:
            return [None] * len(keys)
        if len(keys) > 1:
            wanted = json.dumps(keys, ensure_ascii=False)
            if "\\u0000" not in wanted:  # where `json_each` ends a text
                return [row for (row,) in connection.execute(_READ, (known, wanted))]
        found = [connection.execute(_ONE, (known, key)).fetchone() for key in keys]
        return [row[0] if row else None for row in found]

    def _id(self, connection: sqlite3.Connection, view: str) -> int | None:
        known = self._ids.get(view)
        if known is None:
            found = connection.execute("SELECT id FROM views WHERE name = ?", (view,)).fetchone()
            if found:
                # Seen inside of a transaction that may yet fail: remembered only when it can be read outside of one.
                known = found[0]
                if not connection.in_transaction:
                    self._ids[view] = found[0]
        return known

    def delete_view(self, view: str) -> None:
        with _text(), self._file.transaction() as connection:
            connection.execute("DELETE FROM online WHERE view = (SELECT id FROM views WHERE name = ?)", (view,))

    def clear(self) -> None:
        with _text(), self._file.transaction() as connection:
            connection.execute("DELETE FROM online")

    def close(self) -> None:
        self._file.close()


class _File(SQLiteFile):
    damaged = "try again; if the file is damaged, delete it and materialise again"


@contextmanager
def _text() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        fault = Fault("keys", repr(error.object)[:80], "send text that UTF-8 can hold")
        raise InvalidInput("a key is not text", fault) from error
