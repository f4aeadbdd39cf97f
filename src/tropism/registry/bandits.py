"""Bandits on live traffic: the revisions of their shares, published to the data planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from tropism.core.bandit import Revision
from tropism.core.errors import Conflict, Fault
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.experiments import require_running
from tropism.registry.records import record
from tropism.storage.tables.bandits_schema import bandits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

_COLUMNS = [column for column in bandits.c if column.name != "experiment"]


class Bandits:
    """The revisions of each experiment of mode `bandit`. Revision 0, by the variants' weights, is not stored."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def publish(self, experiment: str, revision: Revision, *, actor: str, now: int) -> Revision:
        """The next revision: every data plane goes by it as soon as it has seen it. The same again changes nothing.

        Raises:
            NotFound: there is no such experiment.
            Conflict: it does not run, or somebody published in between.
        """
        with self._db.exclusive() as connection:
            newest = _newest(connection, experiment)
            if newest is not None and (newest.number, newest.learned_until) == (
                revision.number,
                revision.learned_until,
            ):
                return newest
            trial = require_running(connection, experiment)
            expected = 1 if newest is None else newest.number + 1
            if revision.number != expected:
                fault = Fault("number", str(revision.number), f"learn again from revision {expected - 1}")
                raise Conflict(f"the shares of '{experiment}' have moved", fault)
            stored = {"experiment": experiment, **msgspec.to_builtins(revision), "at": now}
            own = bandits.c.experiment == experiment
            connection.execute(bandits.update().where(own).values(choosing=None))
            connection.execute(bandits.insert(), stored)
            moved = generation.advance(connection, now)
            detail: dict[str, Any] = {"task": trial.task, "generation": moved, "revision": revision.number}
            detail |= {"shares": revision.shares, "rows": revision.rows}
            append(connection, at=now, actor=actor, action="experiment.shared", subject=experiment, detail=detail)
            return msgspec.structs.replace(revision, at=now)

    def newest(self, experiments: Iterable[str]) -> dict[str, Revision]:
        """The revision that each goes by; those that are at their start are left out."""
        names = list(experiments)
        if not names:
            return {}
        with self._db.read() as connection:
            found = ((name, _newest(connection, name)) for name in names)
            return {name: one for name, one in found if one is not None}

    def history(self, experiment: str) -> tuple[Revision, ...]:
        """All revisions from the first after the start, in order."""
        query = select(*_COLUMNS).where(bandits.c.experiment == experiment).order_by(bandits.c.number)
        with self._db.read() as connection:
            return tuple(record(Revision, row) for row in connection.execute(query))


def _newest(connection: Connection, experiment: str) -> Revision | None:
    query = select(*_COLUMNS).where(bandits.c.experiment == experiment).order_by(bandits.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else record(Revision, row)
