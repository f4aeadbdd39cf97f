"""Params of runs: written once, and never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown
from tropism.registry.tracking.checks import PARAM, require_at_most, require_key
from tropism.registry.tracking.rows import insert_new
from tropism.storage.tables.tracking_schema import tracking_params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    Params = Sequence[tuple[str, str]]


def write_params(connection: Connection, run_id: str, params: Params) -> None:
    """Stores params of a run that is there; the same value again is fine.

    Raises:
        InvalidInput: one has another value already, or does not fit.
    """
    wanted: dict[str, str] = {}
    for key, value in params:
        require_key(key, "params.key")
        require_at_most(value, PARAM, f"params: {key}")
        if wanted.setdefault(key, value) != value:
            raise _changed(key, wanted[key], value)
    table = tracking_params
    insert_new(connection, table, [{"run_id": run_id, "key": key, "value": wanted[key]} for key in sorted(wanted)])
    stored = select(table.c.key, table.c.value).where(table.c.run_id == run_id, table.c.key.in_(wanted))
    for key, value in connection.execute(stored):
        if wanted[key] != value:
            raise _changed(key, value, wanted[key])


def _changed(key: str, before: str, after: str) -> InvalidInput:
    fix = f"keep {shown(before)}, or log the other value in another run"
    return InvalidInput(f"param '{key}' was logged with another value", Fault(f"params: {key}", shown(after), fix))
