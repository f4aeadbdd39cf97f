"""Insert unless it is there, or replace: the one kind of statement that SQLite and PostgreSQL do not spell alike."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Executable, Table
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert


def insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with its primary key is there; whether it did."""
    return connection.execute(_insert_once(connection.dialect.name, table), values).rowcount == 1


def upsert(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Inserts a row, or sets all of `values` in the one that has its primary key."""
    connection.execute(_upsert(connection.dialect.name, table, tuple(values)), values)


def add_up(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], summed: str) -> None:
    """Inserts rows, or adds the column `summed` to those that have their primary keys, and sets the others."""
    if rows:
        connection.execute(_add_up(connection.dialect.name, table, tuple(rows[0]), summed), rows)


@cache
def _add_up(dialect: str, table: Table, names: tuple[str, ...], summed: str) -> Executable:
    statement = _insert(dialect, table)
    changed: dict[str, Any] = {name: statement.excluded[name] for name in names if not table.c[name].primary_key}
    changed[summed] = table.c[summed] + statement.excluded[summed]
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


@cache
def _insert_once(dialect: str, table: Table) -> Executable:
    statement = _insert(dialect, table).on_conflict_do_nothing(index_elements=list(table.primary_key))
    return statement.execution_options(preserve_rowcount=True)


@cache
def _upsert(dialect: str, table: Table, names: tuple[str, ...]) -> Executable:
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in names if not table.c[name].primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


def _insert(dialect: str, table: Table) -> SQLiteInsert | PostgresInsert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
