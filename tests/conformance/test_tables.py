"""What callers may rely on from tables, whichever database holds them."""

from __future__ import annotations

import contextlib
import pkgutil
import subprocess
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import IntegrityError

import tropism.storage.tables
from tropism.core.errors import NotReady, SettingInvalid, TropismError
from tropism.storage.tables import Database, TablesSettings
from tropism.storage.tables.revision import REVISION, TABLE
from tropism.storage.tables.schema import aliases, jobs, leases, metadata, progress
from tropism.storage.tables.upsert import insert_once, upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MIGRATE = """
import sys
from tropism.storage.tables import Database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
database.migrate()
database.migrate()
"""
_HALF = """
import sys
from tropism.storage.tables import Database
from tropism.storage.tables.schema import leases
with Database(sys.argv[1]).exclusive() as connection:
    rows = [{"name": f"n{i}", "holder": "h", "token": 1, "expires_at": 0} for i in range(5_000)]
    connection.execute(leases.insert(), rows)
    print("written", flush=True)
    sys.stdin.readline()
"""


def _start(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _lease(connection: Connection, name: str = "a", holder: str = "me") -> None:
    connection.execute(leases.insert().values(name=name, holder=holder, token=1, expires_at=0))


def _count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(leases)) or 0


def test_migrations_make_what_the_schema_describes(tables_url: str, tables: Database) -> None:
    for module in pkgutil.iter_modules(tropism.storage.tables.__path__):
        if module.name.endswith("_schema"):
            import_module(f"tropism.storage.tables.{module.name}")
    engine = create_engine(tables_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_many_processes_migrate_an_empty_database_at_once(tables_url: str) -> None:
    started = [_start(_MIGRATE, tables_url) for _ in range(6)]
    assert [_line(process) for process in started] == ["ready"] * 6
    errors = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        errors.append(process.communicate(timeout=60)[1])
    assert errors == [""] * 6
    database = Database(tables_url)
    with database.read() as connection:
        assert connection.scalars(text(f"SELECT version_num FROM {TABLE}")).all() == [REVISION]
    database.dispose()


def test_migrating_again_keeps_the_rows(tables: Database) -> None:
    with tables.begin() as connection:
        _lease(connection)
    tables.migrate()
    assert _count(tables) == 1


def test_a_schema_of_a_newer_tropism_is_refused(tables: Database) -> None:
    with tables.begin() as connection:
        connection.execute(text(f"UPDATE {TABLE} SET version_num = '9999'"))
    with pytest.raises(SettingInvalid, match="9999") as caught:
        tables.migrate()
    assert "upgrade Tropism" in caught.value.faults[0].fix


def test_a_change_that_raises_leaves_nothing(tables: Database) -> None:
    with pytest.raises(ZeroDivisionError), tables.begin() as connection:
        _lease(connection)
        _ = 1 / 0
    assert _count(tables) == 0


def test_nothing_written_in_a_read_remains(tables: Database) -> None:
    with contextlib.suppress(TropismError), tables.read() as connection:
        _lease(connection)
    assert _count(tables) == 0


def test_a_reader_sees_one_moment_and_holds_no_writer_up(tables: Database) -> None:
    with tables.read() as reading:
        query = select(func.count()).select_from(leases)
        assert reading.scalar(query) == 0
        with tables.exclusive() as connection:
            _lease(connection)
        assert reading.scalar(query) == 0
    assert _count(tables) == 1


def test_a_writer_holds_no_reader_up(tables: Database) -> None:
    with tables.exclusive() as connection:
        _lease(connection)
        assert _count(tables) == 0
    assert _count(tables) == 1


def test_exclusive_changes_take_turns(tables: Database) -> None:
    entered = threading.Event()

    def second() -> None:
        with tables.exclusive() as connection:
            _lease(connection, "second")
            entered.set()

    thread = threading.Thread(target=second)
    with tables.exclusive() as connection:
        _lease(connection, "first")
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()
    assert _count(tables) == 2


def test_a_change_gives_up_after_its_wait(tables_url: str, tables: Database) -> None:
    hurried = Database(tables_url, TablesSettings(wait="100ms"))
    with tables.exclusive() as connection:
        _lease(connection)
        with pytest.raises(NotReady) as caught, hurried.exclusive() as other:
            _lease(other, "b")
    hurried.dispose()
    assert caught.value.faults[0].field == "tables.wait"
    assert _count(tables) == 1


def test_a_process_killed_in_a_transaction_leaves_nothing_half_done(tables_url: str, tables: Database) -> None:
    process = _start(_HALF, tables_url)
    assert _line(process) == "written"
    process.kill()
    process.communicate(timeout=30)
    with tables.exclusive() as connection:  # waits for the server to notice
        _lease(connection)
    assert _count(tables) == 1


def test_threads_write_at_once_and_nothing_is_lost(tables: Database) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            with tables.begin() as connection:
                _lease(connection, f"{number}-{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(tables) == 160


def test_insert_once_keeps_what_is_there(tables: Database) -> None:
    row = {"name": "a", "holder": "me", "token": 1, "expires_at": 0}
    with tables.begin() as connection:
        assert insert_once(connection, leases, row)
        assert not insert_once(connection, leases, {**row, "holder": "you"})
        assert connection.scalar(select(leases.c.holder)) == "me"


def test_upsert_replaces_what_is_there(tables: Database) -> None:
    with tables.begin() as connection:
        for value in (1, {"at": [1, 2.5, None, "é\x00"]}):
            upsert(connection, progress, {"name": "a", "value": value, "updated_at": 1})
        assert connection.scalars(select(progress.c.value)).all() == [{"at": [1, 2.5, None, "é\x00"]}]


def test_times_and_flags_come_back_as_they_were(tables: Database) -> None:
    late = 4_102_444_800_000_000
    job = {"id": "j", "task": "t", "kind": "train", "status": "queued", "request": {}, "message": "", "attempts": 0}
    with tables.begin() as connection:
        connection.execute(jobs.insert(), {**job, "progress": 0.1, "cancel": True, "created_at": late})
        row = connection.execute(select(jobs)).one()
    assert (row.created_at, row.progress, row.cancel, row.result) == (late, 0.1, True, None)


def test_an_alias_cannot_point_at_nothing(tables: Database) -> None:
    with pytest.raises(IntegrityError), tables.begin() as connection:
        row = {"model": "m", "alias": "champion", "version": 1, "generation": 1, "updated_at": 0}
        connection.execute(aliases.insert(), row)
