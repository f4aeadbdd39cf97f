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
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database: a new SQLite file, or a schema of its own in PostgreSQL."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'vectors.sqlite'}")
        yield made
        made.dispose()
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
    made = Database(
        url.update_query_dict({"options": f"-csearch_path={schema},public"}).render_as_string(hide_password=False)
    )
    try:
        yield made
    finally:
        made.dispose()
        with engine.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()
