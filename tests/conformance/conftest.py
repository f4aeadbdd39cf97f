"""The databases that a contract over tables is checked on."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POSTGRES = "postgresql+psycopg://root@127.0.0.1:5432/test"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def tables_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a new SQLite file, or a schema of its own in PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tables.sqlite'}"
        return
    url = make_url(os.environ.get("TROPISM_TEST_POSTGRES", _POSTGRES))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    schema = f"test_{uuid.uuid4().hex}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError as error:
        engine.dispose()
        pytest.skip(f"PostgreSQL at {url!r} does not answer; set TROPISM_TEST_POSTGRES: {error.orig}")
    try:
        inside = url.update_query_dict({"options": f"-csearch_path={schema}"})
        yield inside.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()


@pytest.fixture
def tables(tables_url: str) -> Iterator[Database]:
    """A database with its schema."""
    database = Database(tables_url)
    database.migrate()
    yield database
    database.dispose()
