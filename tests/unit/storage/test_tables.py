"""What SQLite and the URL of the tables need a user to know."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select, text

from tropism.core.errors import (
    DiskFull,
    IntegrityError,
    InvalidInput,
    MissingExtra,
    NotReady,
    NotWritable,
    SettingInvalid,
)
from tropism.storage.tables import Database, TablesSettings
from tropism.storage.tables.json import encode
from tropism.storage.tables.schema import progress

if TYPE_CHECKING:
    from pathlib import Path

_QUICK = """
import sys
from tropism.storage.tables import Database
assert "sqlalchemy" not in sys.modules
database = Database(sys.argv[1])
database.migrate()
assert "alembic" not in sys.modules
database.dispose()
"""


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'tables.sqlite'}"


def _pragma(database: Database, name: str) -> object:
    with database.read() as connection:
        return connection.scalar(text(f"PRAGMA {name}"))


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    database = Database(_url(tmp_path / "a" / "b"))
    database.migrate()
    database.dispose()
    assert (tmp_path / "a" / "b" / "tables.sqlite").exists()


def test_readers_and_writers_do_not_wait_for_one_another(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    assert _pragma(database, "journal_mode") == "wal"
    assert _pragma(database, "foreign_keys") == 1
    assert _pragma(database, "busy_timeout") == 30_000
    database.dispose()


@pytest.mark.parametrize(("durability", "synchronous"), [("os", 1), ("power", 2)])
def test_durability_says_when_the_disk_is_flushed(tmp_path: Path, durability: str, synchronous: int) -> None:
    settings = TablesSettings(durability="power" if durability == "power" else "os")
    database = Database(_url(tmp_path), settings)
    assert _pragma(database, "synchronous") == synchronous
    database.dispose()


def test_a_schema_that_is_up_to_date_needs_no_alembic(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    database.dispose()
    subprocess.run([sys.executable, "-c", _QUICK, _url(tmp_path)], check=True, timeout=60)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable) as caught:
        Database(_url(tmp_path / "file" / "state"))
    assert caught.value.faults[0].value == str(tmp_path / "file" / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(NotWritable) as caught:
        Database(_url(tmp_path))
    assert caught.value.faults[0].value == str(tmp_path)


def test_a_file_that_is_not_writable_is_named(tmp_path: Path) -> None:
    made = Database(_url(tmp_path))
    made.migrate()
    made.dispose()
    database = Database(f"sqlite:///file:{tmp_path / 'tables.sqlite'}?mode=ro&uri=true")
    with pytest.raises(NotWritable, match=r"tables\.sqlite"), database.begin() as connection:
        connection.execute(progress.insert(), {"name": "a", "value": 1, "updated_at": 0})
    database.dispose()


def test_a_full_disk_is_said_and_nothing_is_half_done(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    with pytest.raises(DiskFull) as caught, database.begin() as connection:
        pages = connection.scalar(text("PRAGMA page_count"))
        connection.execute(text(f"PRAGMA max_page_count = {pages + 4}"))
        connection.execute(progress.insert(), {"name": "small", "value": 1, "updated_at": 0})
        connection.execute(progress.insert(), {"name": "large", "value": "x" * 1_000_000, "updated_at": 0})
    assert caught.value.faults[0].value == str(tmp_path)
    with database.begin() as connection:
        assert connection.execute(select(progress)).all() == []
        connection.execute(text("PRAGMA max_page_count = 1000000"))
        connection.execute(progress.insert(), {"name": "small", "value": 1, "updated_at": 0})
    database.dispose()


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables.sqlite").write_bytes(b"a,b\n1,2\n" * 1_000)
    database = Database(_url(tmp_path))
    with pytest.raises(IntegrityError, match=r"tables\.sqlite"):
        database.migrate()
    database.dispose()


def test_a_statement_in_error_is_not_dressed_up(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    with pytest.raises(Exception, match="no such table"), database.read() as connection:
        connection.execute(text("SELECT * FROM absent"))
    database.dispose()


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "tables.db"])
def test_a_url_that_cannot_hold_tables_is_refused(url: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Database(url)
    assert caught.value.faults[0].field == "tables.url"
    assert "sqlite:///path/to/file" in caught.value.faults[0].fix


def test_a_wait_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tables\.wait"):
        Database(_url(tmp_path), TablesSettings(wait="soon"))


def test_connections_that_are_all_busy_are_said(tmp_path: Path) -> None:
    database = Database(_url(tmp_path), TablesSettings(connections=1, wait="100ms"))
    with database.read(), database.read(), pytest.raises(NotReady, match="busy"), database.read():
        pass
    database.dispose()


def test_a_password_is_never_shown() -> None:
    database = Database("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in database.place
    database.dispose()


def test_a_server_that_does_not_answer_is_not_ready() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://me:secret@127.0.0.1:{unused.getsockname()[1]}/none")
        with pytest.raises(NotReady, match="does not answer") as caught:
            database.migrate()
    assert "secret" not in str(caught.value)
    database.dispose()


def test_postgres_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match="psycopg") as caught:
        Database("postgresql://me@127.0.0.1/none")
    assert "tropism[postgres]" in caught.value.faults[0].fix


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    assert encode({"a": np.float32(0.5), "b": np.array([1, 2]), "c": np.int64(3)}) == '{"a":0.5,"b":[1,2],"c":3}'
