"""An online store in one SQLite file."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from itertools import chain, repeat
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
_ABREAST, _MOST = 4, 256
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
        # One statement reads one state of the file; several do inside of a transaction.
        several = len(wanted) > 1 or any(len(keys) > _MOST for _, keys in wanted)
        with _text(), self._file.transaction("DEFERRED") if several else self._file.reading() as connection:
            return [self._rows(connection, view, keys) for view, keys in wanted]

    def _rows(self, connection: sqlite3.Connection, view: str, keys: Sequence[str]) -> list[bytes | None]:
        known = self._id(connection, view)
        if known is None:
            return [None] * len(keys)
        self._ids[view] = known
        if len(keys) == 1:
            found = connection.execute(_ONE, (known, keys[0])).fetchone()
            return [found[0] if found else None]
        rows: list[bytes | None] = []
        for start in range(0, len(keys), _MOST):
            some = keys[start : start + _MOST]
            lines = -(-len(some) // _ABREAST)
            spare = (None,) * (lines * _ABREAST - len(some))
            rows += chain.from_iterable(connection.execute(_many(lines), (known, *some, *spare)))
            del rows[start + len(some) :]
        return rows

    def _id(self, connection: sqlite3.Connection, view: str) -> int | None:
        known = self._ids.get(view)
        if known is None:
            found = connection.execute("SELECT id FROM views WHERE name = ?", (view,)).fetchone()
            # Not remembered here: a writer sees it inside of a transaction that may yet fail.
            known = found[0] if found else None
        return known

    def delete_view(self, view: str) -> None:
        with _text(), self._file.transaction() as connection:
            connection.execute("DELETE FROM online WHERE view = (SELECT id FROM views WHERE name = ?)", (view,))

    def clear(self) -> None:
        with _text(), self._file.transaction() as connection:
            connection.execute("DELETE FROM online")

    def close(self) -> None:
        self._file.close()


@cache
def _many(lines: int) -> str:
    """Rows of keys, in their order; NULL for those that are not there.

    Each row of the answer costs a step between Python and SQLite, so it holds several.
    """
    places = range(_ABREAST)
    names = ", ".join(f"k{place}" for place in places)
    starts = range(2, 2 + lines * _ABREAST, _ABREAST)  # ?1 is the view
    wanted = ", ".join("(" + ", ".join(f"?{start + place}" for place in places) + ")" for start in starts)
    rows = ", ".join(f"o{place}.row" for place in places)
    joins = " ".join(
        f"LEFT JOIN online AS o{place} ON o{place}.view = ?1 AND o{place}.key = k{place}" for place in places
    )
    return f"WITH wanted ({names}) AS (VALUES {wanted}) SELECT {rows} FROM wanted {joins}"


class _File(SQLiteFile):
    damaged = "try again; if the file is damaged, delete it and materialise again"


@contextmanager
def _text() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        fault = Fault("keys", repr(error.object)[:80], "send text that UTF-8 can hold")
        raise InvalidInput("a key is not text", fault) from error
