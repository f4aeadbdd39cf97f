"""Many rows at once, by statements that SQLite and PostgreSQL do not spell alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert


def insertion(connection: Connection, table: Table) -> SQLiteInsert | PostgresInsert:
    """An insert into the table that can say what to do about rows that are there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts those whose primary key is not there."""
    if rows:
        connection.execute(insertion(connection, table).on_conflict_do_nothing(), rows)


def replace(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, or sets all columns of those that have their primary keys."""
    if not rows:
        return
    statement = insertion(connection, table)
    changed = {name: statement.excluded[name] for name in rows[0] if not table.c[name].primary_key}
    keys = list(table.primary_key)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)
