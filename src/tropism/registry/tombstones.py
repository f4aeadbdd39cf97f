"""What is left of deleted versions: who deleted them, when and why, and what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault
from tropism.registry.records import record
from tropism.storage.tables.governance_schema import tombstones

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted version. `artifact` is the digest of what it was; `at` in µs."""

    model: str
    version: int
    artifact: str
    learner: str
    at: int
    actor: str
    reason: str


def find_tombstone(connection: Connection, model: str, version: int) -> Tombstone | None:
    """The tombstone of a version; None while it was not deleted."""
    chosen = (tombstones.c.model == model) & (tombstones.c.version == version)
    row = connection.execute(select(tombstones).where(chosen)).first()
    return None if row is None else record(Tombstone, row)


def require_kept(connection: Connection, model: str, version: int) -> None:
    """Raises: Conflict: the version was deleted; says by whom and why."""
    found = find_tombstone(connection, model, version)
    if found is not None:
        fault = Fault("version", str(version), "use another version, or train a new one: `tropism train`")
        raise Conflict(f"version {version} of '{model}' was deleted by {found.actor}: {found.reason}", fault)


def deleted(db: Database, model: str | None = None) -> frozenset[tuple[str, int]]:
    """Models and numbers of the versions that were deleted."""
    query = select(tombstones.c.model, tombstones.c.version)
    if model is not None:
        query = query.where(tombstones.c.model == model)
    with db.read() as connection:
        return frozenset((row.model, row.version) for row in connection.execute(query))
