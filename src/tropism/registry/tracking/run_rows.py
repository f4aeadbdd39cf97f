"""The row of a run that has to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tropism.core.errors import Fault, NotFound
from tropism.registry.tracking.checks import invalid
from tropism.storage.tables.tracking_schema import tracking_runs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


def require_run(connection: Connection, run_id: str, *, active: bool = False) -> Row[Any]:
    """The run's row. Raises: NotFound. InvalidInput: it is deleted, and an `active` one is needed."""
    row = connection.execute(select(tracking_runs).where(tracking_runs.c.id == run_id)).first()
    if row is None:
        fix = "list those there are with runs/search"
        raise NotFound(f"there is no run '{run_id}'", Fault("run_id", repr(run_id), fix))
    if active and row.lifecycle != "active":
        raise invalid("run_id", run_id, "restore the run first; it is deleted")
    return row
