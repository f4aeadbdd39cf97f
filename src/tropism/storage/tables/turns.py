"""One writer at a time, across threads, processes and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('tropism ' || coalesce(current_schema(), ''), 0))")


def take_turn(connection: Connection) -> None:
    """Waits until no other transaction has the turn, and has it until this one ends.

    On SQLite a writing transaction is alone from its first statement. On PostgreSQL an advisory lock of the
    schema does the same. Taking it twice in a transaction is harmless.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
