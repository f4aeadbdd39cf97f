"""The generation: one number that moves whenever what is served may have changed.

Data planes poll it, and look at the rest of the registry only when it moved. Those that can be told are told when
the change is committed, by a notice, so that they need not wait for their next look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text

from tropism.storage.notices.postgres import NOTIFY
from tropism.storage.tables.schema import progress
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

NAME = "registry/generation"
MOVED = "tropism.generation"
"""Key of `Connection.info` under which a transaction leaves word that it moved the generation."""
_QUERY = select(progress.c.value).where(progress.c.name == NAME)
_NOTIFY = text(NOTIFY)


def current(connection: Connection) -> int:
    """The generation now; 0 before anything was registered."""
    return connection.scalar(_QUERY) or 0


def advance(connection: Connection, now: int) -> int:
    """Moves on by one, and gives the new generation. Only inside an `exclusive` transaction."""
    generation = current(connection) + 1
    upsert(connection, progress, {"name": NAME, "value": generation, "updated_at": now})
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY)  # sent when this transaction commits
    connection.info[MOVED] = True
    return generation
