"""The policy of levels and gates of each model, as it was last written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault, UnknownTask
from tropism.core.governance import Governance, default_governance
from tropism.core.governance_faults import checked
from tropism.registry.audit import append
from tropism.registry.decisions import digest
from tropism.registry.records import unreadable
from tropism.registry.tasks import find_task
from tropism.storage.tables.governance_schema import level_policies
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.core.task import Task
    from tropism.storage.tables import Database


class LevelPolicies:
    """Reads and writes policies: what a task declares, else what was written last. A model without either has the
    default of its kind."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, model: str) -> Governance:
        """The policy that holds. Raises: UnknownTask: there is no such model."""
        with self._db.read() as connection:
            return policy_of(connection, model)

    def written(self, model: str) -> Governance | None:
        """The policy that somebody declared or wrote; None where the default holds."""
        with self._db.read() as connection:
            return written_policy(connection, model)

    def set(self, model: str, policy: Governance, *, actor: str, now: int) -> int:
        """Writes a policy; how often it was changed. The same again changes nothing.

        Raises:
            UnknownTask: there is no such model.
            InvalidInput: no version of the model could pass it; a fault for each field.
            Conflict: the task declares another one.
        """
        with self._db.exclusive() as connection:
            task = _task(connection, model)
            checked(policy, task)
            if task.governance not in (None, policy):
                fault = Fault("policy", "declared by the task", "change it in project.py and run `tropism apply`")
                raise Conflict(f"the levels of '{model}' are declared in the project", fault)
            row = connection.execute(select(level_policies).where(level_policies.c.model == model)).first()
            spec = msgspec.to_builtins(policy)
            if row is not None and digest(row.spec) == digest(spec):
                return int(row.revision)
            revision = 1 if row is None else row.revision + 1
            values = {"spec": spec, "revision": revision, "actor": actor, "updated_at": now}
            upsert(connection, level_policies, {"model": model, **values})
            detail = {"revision": revision, "spec": digest(spec)}
            append(connection, at=now, actor=actor, action="levels.policy", subject=model, detail=detail)
            return revision


def policy_of(connection: Connection, model: str) -> Governance:
    """The policy that holds for a model. Raises: UnknownTask: there is none of that name."""
    found = written_policy(connection, model)
    return default_governance(_task(connection, model).kind) if found is None else found


def written_policy(connection: Connection, model: str) -> Governance | None:
    """The policy that a model's task declares, or that somebody wrote; None where the default holds."""
    task = find_task(connection, model)
    if task is not None and task.governance is not None:
        return task.governance
    spec = connection.scalar(select(level_policies.c.spec).where(level_policies.c.model == model))
    try:
        return None if spec is None else msgspec.convert(spec, Governance)
    except msgspec.ValidationError as error:
        raise unreadable("policy", model, error) from error


def fingerprint(policy: Governance, level: str) -> str:
    """SHA-256 of what a level asks for: gates that passed count as long as it stays the same.

    >>> from tropism.core.governance import default_governance
    >>> policy = default_governance("binary")
    >>> fingerprint(policy, "staging") == fingerprint(policy, "production")
    False
    """
    return digest({"level": msgspec.to_builtins(policy.level(level)), "roles": policy.roles})


def _task(connection: Connection, model: str) -> Task:
    task = find_task(connection, model)
    if task is None:
        fix = "declare it in project.py and run `tropism apply`"
        raise UnknownTask(f"there is no task '{model}'", Fault("model", repr(model[:60]), fix))
    return task
