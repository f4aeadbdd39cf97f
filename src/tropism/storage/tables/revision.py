"""Which revision the schema is at, and the way to the newest. Alembic is imported only when there is a way to go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from tropism.core.errors import Fault, SettingInvalid

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISION = "0012"
"""The newest revision in `migrations/versions`, what `schema.py` describes."""
TABLE = "tropism_revision"
"""Not Alembic's own name for it: the database may be shared with another user of Alembic."""
_QUERY = text(f"SELECT version_num FROM {TABLE}")  # a constant of this module


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None before the first. One query, made with nothing else open."""
    try:
        at: str | None = connection.scalar(_QUERY)
    except DBAPIError:
        if inspect(connection.engine).has_table(TABLE):
            raise
        return None
    return at


def upgrade(connection: Connection) -> None:
    """Runs every revision that is missing, inside the transaction given, which nobody else migrates beside.

    Raises:
        SettingInvalid: the database was made by a newer Tropism.
    """
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    context = MigrationContext.configure(connection, opts={"version_table": TABLE})
    at = context.get_current_revision()
    if at == REVISION:
        return
    if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
        fix = "upgrade Tropism, or restore the backup made before"
        raise SettingInvalid(f"the tables are at revision {at}, of a newer Tropism", Fault("tables.url", "", fix))
    missing = list(scripts.iterate_revisions("head", at or "base"))
    with Operations.context(context):
        for script in reversed(missing):
            script.module.upgrade()
    context.stamp(scripts, "head")
