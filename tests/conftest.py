"""What tests of several floors need."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

_POSTGRES = "postgresql+psycopg://root@127.0.0.1:5432/test"


@pytest.fixture
def schema() -> Iterator[str]:
    """The URL of an empty schema in PostgreSQL."""
    url = make_url(os.environ.get("TROPISM_TEST_POSTGRES", _POSTGRES))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"test_{uuid.uuid4().hex}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
    except OperationalError as error:
        engine.dispose()
        pytest.skip(f"PostgreSQL at {url!r} does not answer; set TROPISM_TEST_POSTGRES: {error.orig}")
    inside = url.set(drivername="postgresql").update_query_dict({"options": f"-csearch_path={name}"})
    yield inside.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()
