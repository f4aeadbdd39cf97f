"""How often each variant of a flag was given, and when last: counts, from which stale flags are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, select

from tropism.core.clock import DAY, SECOND
from tropism.storage.tables.flags_schema import flag_exposures as table
from tropism.storage.tables.flags_schema import flags
from tropism.storage.tables.upsert import add_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

HOUR = 3_600 * SECOND
KEPT = 2 * DAY
"""For how long (µs) hours are kept; what was given before is in the total."""


class Exposed(msgspec.Struct, frozen=True, kw_only=True):
    """How often a variant was given: `day`, in the last 24 hours, by whole hours; `ever`; and when last (µs)."""

    variant: str
    day: int
    ever: int
    last_at: int


class FlagExposures:
    """Counts of what data planes gave, by flag and variant. Who got it is not kept."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, counts: Mapping[tuple[str, str], int], *, now: int) -> None:
        """Adds evaluations by flag and variant, which is empty for errors. Hours too old to be asked for go.

        Those of a flag that was deleted meanwhile are dropped.
        """
        hour = now - now % HOUR
        with self._db.begin() as connection:
            known = set(connection.scalars(select(flags.c.key)))
            rows = [
                {"flag": flag, "variant": variant, "hour": bucket, "evaluations": count, "last_at": now}
                for (flag, variant), count in sorted(counts.items())
                for bucket in (0, hour)
                if flag in known
            ]
            add_up(connection, table, rows, "evaluations")
            connection.execute(table.delete().where((table.c.hour > 0) & (table.c.hour < now - KEPT)))

    def of(self, flag: str, *, now: int) -> tuple[Exposed, ...]:
        """Each variant that was ever given, by name; none where the flag was never evaluated."""
        with self._db.read() as connection:
            rows = connection.execute(select(table).where(table.c.flag == flag).order_by(table.c.variant)).all()
        day: dict[str, int] = {}
        for row in rows:
            if row.hour > now - DAY:
                day[row.variant] = day.get(row.variant, 0) + row.evaluations
        return tuple(
            Exposed(variant=row.variant, day=day.get(row.variant, 0), ever=row.evaluations, last_at=row.last_at)
            for row in rows
            if row.hour == 0
        )

    def last(self) -> dict[str, int]:
        """When each flag was evaluated last (µs), by key; without those that never were."""
        newest = select(table.c.flag, func.max(table.c.last_at)).where(table.c.hour == 0).group_by(table.c.flag)
        with self._db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(newest)}


def forget(connection: Connection, flag: str) -> None:
    """Drops the counts of a flag."""
    connection.execute(table.delete().where(table.c.flag == flag))
