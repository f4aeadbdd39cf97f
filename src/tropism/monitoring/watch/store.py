"""The state of monitors, kept in a table: written only by who has seen the state before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tropism.storage.tables.schema import monitors
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Collection

    from tropism.storage.tables import Database


class MonitorStore:
    """Bytes by task and subject, numbered, so that of two who go on from the same state only one is heard."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, task: str, subject: str) -> tuple[int, bytes]:
        """The number of the state and the state; (0, b"") before the first."""
        query = select(monitors.c.seq, monitors.c.state).where(monitors.c.task == task, monitors.c.subject == subject)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return (0, b"") if row is None else (row.seq, row.state)

    def put(self, task: str, subject: str, state: bytes, *, after: int, now: int) -> bool:
        """Replaces state number `after`, or makes the first after 0; False when another was faster."""
        with self._db.begin() as connection:
            if after == 0:
                values = {"task": task, "subject": subject, "seq": 1, "state": state, "at": now}
                return insert_once(connection, monitors, values)
            same = (monitors.c.task == task) & (monitors.c.subject == subject) & (monitors.c.seq == after)
            values = {"seq": after + 1, "state": state, "at": now}
            return connection.execute(monitors.update().where(same).values(**values)).rowcount == 1

    def subjects(self, task: str) -> dict[str, int]:
        """Subjects of a task, with when (µs) each was last written."""
        query = select(monitors.c.subject, monitors.c.at).where(monitors.c.task == task).order_by(monitors.c.subject)
        with self._db.read() as connection:
            return {row.subject: row.at for row in connection.execute(query)}

    def forget(self, task: str, subjects: Collection[str]) -> int:
        """Deletes states; how many there were."""
        if not subjects:
            return 0
        these = (monitors.c.task == task) & monitors.c.subject.in_(sorted(subjects))
        with self._db.begin() as connection:
            return connection.execute(monitors.delete().where(these)).rowcount
