"""Makes the SQLAlchemy engine: what SQLite and PostgreSQL each need to behave alike."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tropism.core import plugins
from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, NotWritable, SettingInvalid

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables.settings import TablesSettings

_FIX = "use sqlite:///path/to/file or postgresql://user@host/database"


def place(url: str) -> str:
    """A URL fit for a message: without its password.

    >>> place("postgresql://me:secret@db/tables")
    'postgresql://me:***@db/tables'
    """
    return _parsed(url).render_as_string(hide_password=True)


def build(url: str, settings: TablesSettings) -> Engine:
    """An engine; opens no connection yet.

    Raises:
        SettingInvalid, NotWritable, MissingExtra: see `Database`.
    """
    parsed = _parsed(url)
    wait = parse_duration(settings.wait, "tables.wait")
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed, settings, wait)
    if backend in ("postgresql", "postgres"):
        return _postgres(parsed, settings, wait)
    raise SettingInvalid(f"there is no backend for '{backend}'", Fault("tables.url", place(url), _FIX))


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise SettingInvalid("the URL of the tables does not parse", Fault("tables.url", repr(url), _FIX)) from error


def _sqlite(url: URL, settings: TablesSettings, wait: int) -> Engine:
    if not url.database or ":memory:" in url.database:
        fix = "name a file: sqlite:///path/to/file; a database in memory cannot be shared"
        raise SettingInvalid("the tables need a file", Fault("tables.url", str(url), fix))
    if not url.database.startswith("file:"):
        _require_writable(Path(url.database))
    engine = create_engine(
        url,
        connect_args={"timeout": wait / SECOND},
        pool_size=settings.connections,
        max_overflow=settings.connections,
        pool_timeout=wait / SECOND,
    )
    synchronous = "FULL" if settings.durability == "power" else "NORMAL"

    @event.listens_for(engine, "connect")
    def _tune(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        _use_wal(connection, wait)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails when another wrote in between.
        writes = connection.get_execution_options().get("tropism_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection, wait: int) -> None:
    """Readers then never wait for a writer. SQLite does not always wait its turn to make the switch: we do."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + wait / SECOND
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _require_writable(file: Path) -> None:
    folder = file.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "choose another place, or make the folder above it writable"
        raise NotWritable(f"{folder} cannot be made: {error.strerror}", Fault("folder", str(folder), fix)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        fix = "allow this user to write in it, or choose another place"
        raise NotWritable(f"the folder {folder} is not writable", Fault("folder", str(folder), fix))
    if file.exists() and not os.access(file, os.W_OK):
        raise NotWritable(f"{file} is not writable", Fault("file", str(file), "allow this user to write it"))


def _postgres(url: URL, settings: TablesSettings, wait: int) -> Engine:
    plugins.require("psycopg", "postgres")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=settings.connections,
        max_overflow=settings.connections,
        pool_timeout=wait / SECOND,
    )

    @event.listens_for(engine, "connect")
    def _tune(connection: Any, _: Any) -> None:
        connection.execute(f"SET lock_timeout = {wait // 1_000}")
        connection.commit()

    return engine
