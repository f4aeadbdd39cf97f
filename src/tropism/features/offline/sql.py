"""Reads a query's columns from a database into Arrow, in batches."""

from __future__ import annotations

import os
import re
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from tropism.core.errors import DataInvalid, Fault, InvalidInput, MissingExtra, NotReady
from tropism.features.offline.refusals import require_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 50_000
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_TABLE = re.compile(r"\w+(\.\w+)?")
_DIALECT = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def read_sql(url: str, query: str, wanted: Sequence[str], root: Path) -> pa.Table:
    """Columns of a SELECT or a table, in the order in which the database gives rows.

    `url`: as SQLAlchemy has it; `$NAME` is replaced from the environment; a SQLite file is relative to `root`.

    Raises:
        InvalidInput: it is no URL, or names a variable that is not set.
        DataInvalid: the query fails, a column is missing, or its values are of several types.
        NotReady: the database does not answer.
        MissingExtra: its driver is not installed.
    """
    engine = _engine(url, root)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with _connected(engine, shown) as connection, _plainly(shown, query):
            chosen = _selectable(query)
            there = list(connection.execute(sa.select(sa.text("*")).select_from(chosen).where(sa.false())).keys())
            require_columns(there, wanted, f"the query on {shown}")
            select: sa.Executable = sa.select(*[sa.column(name) for name in wanted]).select_from(chosen)
            result = connection.execution_options(stream_results=True, yield_per=_BATCH).execute(select)
            batches = [_batch(rows, wanted) for rows in result.partitions()]
    finally:
        engine.dispose()
    empty = pa.table({name: pa.nulls(0) for name in wanted})
    try:
        return pa.concat_tables([empty, *batches], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        fix = "cast the columns to one type in the query"
        raise DataInvalid("a column holds several types", Fault("query", str(error)[:80], fix)) from error


def _engine(url: str, root: Path) -> sa.Engine:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise InvalidInput("a variable of a source's URL is not set", Fault("url", f"${name}", f"set {name}"))
        return os.environ[name]

    fix = "write it like postgresql://user:$PASSWORD@host/database or sqlite:///data/file.db"
    try:
        parsed = make_url(_VARIABLE.sub(value, url))
        parsed = parsed.set(drivername=_DIALECT.get(parsed.drivername, parsed.drivername))
        return sa.create_engine(_existing(parsed, root) if parsed.get_backend_name() == "sqlite" else parsed)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInput("this is no URL of a database", Fault("url", url.partition(":")[0][:80], fix)) from error
    except ModuleNotFoundError as error:
        fault = Fault("url", url.partition(":")[0][:80], f"install it: pip install {error.name}")
        raise MissingExtra(f"this database needs the package '{error.name}'", fault) from error


def _existing(url: URL, root: Path) -> URL:
    """Of a SQLite file, which would be made if it were not there."""
    file = root / (url.database or "")
    if not file.is_file():
        fix = "name a SQLite file that is there, relative to the project's folder"
        raise DataInvalid("there is no such database", Fault("url", (url.database or "")[-80:], fix))
    return url.set(database=str(file))


def _selectable(query: str) -> sa.FromClause:
    bare = query.strip().rstrip(";")
    if _TABLE.fullmatch(bare):
        schema, _, name = bare.rpartition(".")
        return sa.table(name, schema=schema or None)
    # A colon is part of the query, not the beginning of a parameter. A comment at the end must not swallow more.
    return sa.text(bare.replace(":", "\\:") + "\n").columns().subquery("source")


@contextmanager
def _connected(engine: sa.Engine, shown: str) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        fix = "start it, or mend the URL and the login"
        raise NotReady(f"the database does not answer: {_reason(error)}", Fault("url", shown[:80], fix)) from error
    with connection:
        yield connection


@contextmanager
def _plainly(shown: str, query: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            fault = Fault("url", shown[:80], "check that it runs, then try again")
            raise NotReady(f"the database went away: {_reason(error)}", fault) from error
        fault = Fault("query", repr(query)[:80], "mend the query; it is a table's name or a SELECT")
        raise DataInvalid(f"the query fails on {shown}: {_reason(error)}", fault) from error


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0][:200]


def _batch(rows: Sequence[Any], wanted: Sequence[str]) -> pa.Table:
    return pa.table({name: _array([row[place] for row in rows], name) for place, name in enumerate(wanted)})


def _array(values: list[Any], name: str) -> pa.Array:
    if any(isinstance(value, uuid.UUID) for value in values):
        values = [value if value is None else str(value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values if value is not None}))
        fix = f"cast it to one type in the query; it holds {kinds}"
        raise DataInvalid("a column of a query cannot be used", Fault(name, str(error)[:80], fix)) from error
