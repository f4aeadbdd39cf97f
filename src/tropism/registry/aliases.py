"""Names that point at versions: `champion` is what is served, `previous` what was served before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tropism.core.errors import Fault, InvalidInput
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.versions import require_version
from tropism.storage.tables.schema import aliases
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database

CHAMPION = "champion"
PREVIOUS = "previous"


class Live(msgspec.Struct, frozen=True):
    """What a model serves. `generation` and `since` (µs) are those in which its champion last changed."""

    model: str
    champion: int
    previous: int | None
    generation: int
    since: int


class Aliases:
    """Reads aliases, and sets the free ones. `champion` and `previous` move by `Promotion` only."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, model: str, alias: str) -> int | None:
        """The version that an alias points at; None when it points at none."""
        with self._db.read() as connection:
            return pointers(connection, model).get(alias)

    def all(self, model: str) -> dict[str, int]:
        """Every alias of a model."""
        with self._db.read() as connection:
            return pointers(connection, model)

    def snapshot(self) -> tuple[Live, ...]:
        """Every model that has a champion, by name, as of one moment."""
        query = select(aliases).where(aliases.c.alias.in_((CHAMPION, PREVIOUS))).order_by(aliases.c.model)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        previous = {row.model: row.version for row in rows if row.alias == PREVIOUS}
        champions = (row for row in rows if row.alias == CHAMPION)
        return tuple(
            Live(row.model, row.version, previous.get(row.model), row.generation, row.updated_at) for row in champions
        )

    def live(self, model: str) -> Live | None:
        """What one model serves; None while it has no champion."""
        return next((one for one in self.snapshot() if one.model == model), None)

    def generation(self) -> int:
        """A number that grows whenever an alias moved or a task changed. One look-up by key: fit to be polled.

        Read it before what it stands for, so that a change in between is seen at the next poll.
        """
        with self._db.read() as connection:
            return generation.current(connection)

    def set(self, model: str, alias: str, version: int, *, actor: str, now: int) -> None:
        """Points a free alias, such as `challenger`, at a version.

        Raises:
            InvalidInput: the alias is `champion` or `previous`.
            UnknownModel, UnknownVersion: there is no such version.
        """
        if alias in (CHAMPION, PREVIOUS):
            raise InvalidInput(f"'{alias}' is not set by hand", Fault("alias", repr(alias), "promote or roll back"))
        with self._db.exclusive() as connection:
            require_version(connection, model, version)
            before = pointers(connection, model).get(alias)
            if before == version:
                return
            moved = generation.advance(connection, now)
            point(connection, model, alias, version, moved, now)
            detail = {"alias": alias, "version": version, "before": before, "generation": moved}
            append(connection, at=now, actor=actor, action="alias.moved", subject=model, detail=detail)


def pointers(connection: Connection, model: str) -> dict[str, int]:
    """Every alias of a model."""
    query = select(aliases.c.alias, aliases.c.version).where(aliases.c.model == model)
    return {row.alias: row.version for row in connection.execute(query)}


def point(connection: Connection, model: str, alias: str, version: int, moved: int, now: int) -> None:
    """Points an alias at a version, in generation `moved`."""
    values = {"version": version, "generation": moved, "updated_at": now}
    upsert(connection, aliases, {"model": model, "alias": alias, **values})
