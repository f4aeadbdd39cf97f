"""One SQLite file: a connection, transactions, and errors that say what to do. For stores that keep rows in one."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tropism.core.errors import DiskFull, Fault, NotReady, NotWritable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_DENIED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")


class SQLiteFile:
    """Shared by the threads of a process, one at a time, and by the processes of a machine. In WAL mode with
    `synchronous=NORMAL`: a power cut may lose the last writes, but leaves the file whole."""

    damaged = "try again; if it stays, check the file and restart the process"
    """What to do when SQLite cannot go on."""

    def __init__(self, url: str, schema: str, title: str, field: str, pragmas: Sequence[str] = ()) -> None:
        """`url`: `sqlite:///path`, a plain path, or `:memory:`. `title`, `field`: what errors call it.

        Raises:
            NotWritable: the file cannot be opened.
        """
        self._path = url.removeprefix("sqlite:///") or ":memory:"
        self._title, self._field = title, field
        self._lock = threading.Lock()
        with self._translated():
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                for pragma in (*_PRAGMAS, *pragmas):
                    self._connection.execute(f"PRAGMA {pragma}")
                self._connection.executescript(schema)
            except sqlite3.Error:
                self._connection.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for statements that each see the file as it is then.

        Raises:
            NotReady, NotWritable, DiskFull: what SQLite refused, in our words.
        """
        with self._lock, self._translated():
            yield self._connection

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A transaction, undone if an error passes. `kind`: IMMEDIATE takes the write lock first, so that it waits
        its turn instead of failing late; DEFERRED reads one state of the file. Raises as `reading`."""
        with self.reading() as connection:
            connection.execute(f"BEGIN {kind}")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code in _FULL:
                fault = Fault(self._field, self._path, "free space on the disk of this file, then try again")
                raise DiskFull(f"no room in {self._title}: {error}", fault) from error
            if code & 0xFF in _DENIED or isinstance(error, OSError):
                fault = Fault(self._field, self._path, "make the file and its folder writable by this user")
                raise NotWritable(f"{self._title} cannot be opened: {error}", fault) from error
            fault = Fault(self._field, self._path, self.damaged)
            raise NotReady(f"{self._title} does not answer: {error}", fault) from error
