"""A database of tables: transactions to read in and to write in, and its schema kept up to date.

SQLAlchemy is imported when a `Database` is made, not with this module, so that settings and commands that
touch no table stay quick to load.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tropism.storage.tables.settings import TablesSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


class Database:
    """Tables in SQLite (`sqlite:///file`, its folder is made) or PostgreSQL (`postgresql://...`).

    Safe to use from any thread, and from many processes at once, each with an object of its own: build it
    after a fork, not before. A transaction belongs to the thread that opened it; do not open a writing one
    inside another.

    Raises (on construction, and from each method):
        SettingInvalid: the URL is not one of these, or the schema is of a newer Tropism.
        NotWritable: SQLite's file or folder cannot be written; names it.
        MissingExtra: PostgreSQL is asked for without its driver.
        DiskFull: the change did not fit; nothing of it remains.
        NotReady: the server does not answer, or another change held the tables for longer than `settings.wait`.

    >>> import tempfile
    >>> from tropism.storage.tables.schema import leases
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"sqlite:///{folder}/tables.sqlite")
    ...     database.migrate()
    ...     with database.begin() as connection:
    ...         _ = connection.execute(leases.insert().values(name="a", holder="me", token=1, expires_at=5))
    ...     with database.read() as connection:
    ...         holder = connection.scalar(leases.select().with_only_columns(leases.c.holder))
    ...     database.dispose()
    >>> holder
    'me'
    """

    def __init__(self, url: str, settings: TablesSettings | None = None) -> None:
        from tropism.storage.tables import engine, failures

        self.place = engine.place(url)
        """The URL without its password, for messages."""
        self._engine = engine.build(url, settings or TablesSettings())
        self._plainly = failures.plainly

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction to write in: committed when the block ends, rolled back when it raises.

        On SQLite it is the only writer until it ends. On PostgreSQL others write beside it.
        """
        with self._plainly(self.place), self._engine.connect() as connection:
            connection.execution_options(tropism_writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """As `begin`, and no other `exclusive` transaction runs beside it, on either database."""
        from tropism.storage.tables.turns import take_turn

        with self.begin() as connection:
            take_turn(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction to read in: sees one moment throughout, waits for no writer and holds none up.

        Nothing written in it remains.
        """
        with self._plainly(self.place), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    def migrate(self) -> None:
        """Brings the schema up to date. Any number of processes may call it at once; costs one query when
        there is nothing to do.
        """
        from tropism.storage.tables import revision

        with self._plainly(self.place):
            with self._engine.connect() as connection:
                if revision.current(connection) == revision.REVISION:
                    return
            with self.exclusive() as connection:
                revision.upgrade(connection)

    def dispose(self) -> None:
        """Closes every connection."""
        self._engine.dispose()
