"""The tasks that a project declared, as they were applied last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import func, select

from tropism.core.errors import Conflict, Fault, TropismError, UnknownTask
from tropism.core.task import Task
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.history import history_faults
from tropism.registry.records import unreadable
from tropism.storage.tables.schema import progress, tasks
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database


_PRIOR = "registry/prior/"


class AppliedTask(msgspec.Struct, frozen=True):
    """What applying a task did. `revision` counts its changes from 1."""

    name: str
    status: Literal["created", "changed", "unchanged"]
    revision: int


class Tasks:
    """Tasks by name. A change that would break the history stored under a task is refused."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def apply(self, task: Task, now: int, *, actor: str = "project") -> AppliedTask:
        """Stores a task as it is now declared; the same again changes nothing.

        Raises:
            Conflict: it would break history; a fault for each field names the old value, the new one and the remedy.
        """
        spec = _canonical(task)
        with self._db.exclusive() as connection:
            row = connection.execute(select(tasks).where(tasks.c.name == task.name)).first()
            if row is None:
                values = {"spec": spec, "revision": 1, "created_at": now, "updated_at": now}
                connection.execute(tasks.insert(), {"name": task.name, **values})
                return _applied(connection, AppliedTask(task.name, "created", 1), now, actor)
            if row.spec == spec:
                return AppliedTask(task.name, "unchanged", row.revision)
            faults = history_faults(_task(row), task)
            if faults:
                raise Conflict(f"task '{task.name}' cannot change so: it would break its history", *faults)
            revision = row.revision + 1
            values = {"spec": spec, "revision": revision, "updated_at": now}
            connection.execute(tasks.update().where(tasks.c.name == task.name).values(**values))
            return _applied(connection, AppliedTask(task.name, "changed", revision), now, actor)

    def get(self, name: str) -> Task:
        """Raises: UnknownTask: there is none of that name; lists those there are."""
        with self._db.read() as connection:
            return require_task(connection, name)

    def all(self) -> tuple[Task, ...]:
        """Every task, by name."""
        with self._db.read() as connection:
            return tuple(_task(row) for row in connection.execute(select(tasks).order_by(tasks.c.name)))

    def set_prior(self, name: str, prior: Sequence[float], now: int) -> None:
        """Keeps a task's mean label, or its classes' shares: what answers while it has no model."""
        with self._db.exclusive() as connection:
            values = {"name": f"{_PRIOR}{name}", "value": list(prior), "updated_at": now}
            upsert(connection, progress, values)
            generation.advance(connection, now)

    def priors(self) -> dict[str, tuple[float, ...]]:
        """What `set_prior` kept, by task."""
        query = select(progress.c.name, progress.c.value).where(progress.c.name.startswith(_PRIOR))
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return {row.name.removeprefix(_PRIOR): tuple(row.value) for row in rows}

    def revision(self) -> int:
        """A number that grows with every change to any task."""
        with self._db.read() as connection:
            return int(connection.scalar(select(func.sum(tasks.c.revision))) or 0)


def find_task(connection: Connection, name: str) -> Task | None:
    """The task of that name, or None."""
    row = connection.execute(select(tasks).where(tasks.c.name == name)).first()
    return None if row is None else _task(row)


def require_task(connection: Connection, name: str) -> Task:
    """Raises: UnknownTask: there is none of that name; lists those there are."""
    task = find_task(connection, name)
    if task is None:
        raise _unknown(connection, name)
    return task


def _canonical(task: Task) -> str:
    """One text for equal tasks: `default=1` and `default=1.0` are the same number."""
    once = msgspec.json.encode(task)
    return msgspec.json.encode(msgspec.json.decode(once, type=Task)).decode()


def _task(row: Row[Any]) -> Task:
    try:
        return msgspec.json.decode(row.spec, type=Task)
    except (msgspec.DecodeError, TropismError) as error:
        raise unreadable("task", row.name, error) from error


def _applied(connection: Connection, applied: AppliedTask, now: int, actor: str) -> AppliedTask:
    moved = generation.advance(connection, now)
    detail = {"status": applied.status, "revision": applied.revision, "generation": moved}
    append(connection, at=now, actor=actor, action="task.applied", subject=applied.name, detail=detail)
    return applied


def _unknown(connection: Connection, name: str) -> UnknownTask:
    known = ", ".join(connection.scalars(select(tasks.c.name).order_by(tasks.c.name)))
    fix = f"use one of: {known}" if known else "declare it in project.py and run `tropism up`"
    return UnknownTask(f"there is no task '{name}'", Fault("task", repr(name), fix))
