"""Aliases of registered models. `champion` of a task's model moves by that task's policy only.

A registered model belongs to the task of its name, or to that which its tag `tropism.task` names, or its version's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, select

from tropism.core.errors import Fault, NotFound, PolicyRefused
from tropism.learners.artifact import MOST_FILE
from tropism.registry.aliases import CHAMPION
from tropism.registry.audit import append
from tropism.registry.tasks import find_task
from tropism.registry.tracking.checks import invalid, require_alias
from tropism.registry.tracking.model_versions import (
    ModelVersions,
    RegisteredVersion,
    missing_version,
    require_registered,
)
from tropism.registry.tracking.sources import folder_of
from tropism.storage.tables.tracking_schema import (
    tracking_aliases,
    tracking_model_tags,
    tracking_models,
    tracking_versions,
)
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row, Select

    from tropism.registry.tracking.files import Files
    from tropism.storage.tables import Database

TASK_TAG = "tropism.task"
_table, _models = tracking_aliases, tracking_models


class PromotionPolicy(Protocol):
    """Makes versions of tasks out of files, and champions out of versions, or says why not.

    Called outside any transaction, so that it may open its own. May be called again for what it has done before,
    and then does nothing.
    """

    def bring(self, task: str, read: Callable[[str], bytes], source: str, actor: str) -> int:
        """The number of the version that was made of a folder, whose files `read` gives. Raises: PolicyRefused."""
        ...

    def promote(self, task: str, version: int, actor: str) -> None:
        """Makes the version the champion. Raises: PolicyRefused."""
        ...


class NoPromotion:
    """The policy where none was given: champions of tasks do not move."""

    def bring(self, task: str, read: Callable[[str], bytes], source: str, actor: str) -> int:  # noqa: ARG002
        """Raises: PolicyRefused."""
        fault = Fault("alias", CHAMPION, f"run `tropism import-model FOLDER --task {task}`")
        raise PolicyRefused(f"models are not imported into the task '{task}' from here", fault)

    def promote(self, task: str, version: int, actor: str) -> None:  # noqa: ARG002 - a PromotionPolicy
        """Raises: PolicyRefused."""
        fault = Fault("alias", CHAMPION, f"run `tropism promote {task} {version}`")
        raise PolicyRefused(f"the champion of the task '{task}' is not moved from here", fault)


class ModelAliases:
    """Sets, reads and removes aliases. Each change is one transaction with its row in the audit log.

    Raises (from each method):
        NotFound: there is no such model, version or alias.
    """

    def __init__(self, db: Database, files: Files, policy: PromotionPolicy) -> None:
        self._db = db
        self._files = files
        self._versions = ModelVersions(db)
        self._policy = policy

    def set(self, name: str, alias: str, version: int, now: int, *, actor: str = "mlflow") -> None:
        """Points an alias at a version; the same again changes nothing.

        Where it is `champion` and the model is a task's, its files become a version of the task, unless they did
        before, and the policy promotes that one first. A crash in between leaves the alias behind; setting it again
        mends that.

        Raises:
            InvalidInput: the alias has other characters than letters, digits, _ and -, or stands for versions.
            PolicyRefused: the policy says no; the alias and the champion stay.
        """
        require_alias(alias)
        if alias == CHAMPION:
            self._promote(name, version, now, actor)
        with self._db.exclusive() as connection:
            model = _require_version(connection, name, version).model
            before = _pointed(connection, model, alias)
            if before == version:
                return
            upsert(connection, _table, {"model": model, "alias": alias, "version": version, "updated_at": now})
            _note(connection, "registered-alias.moved", name, alias, version, before, actor, now)

    def delete(self, name: str, alias: str, now: int, *, actor: str = "mlflow") -> None:
        """Removes an alias. The champion of a task stays what it is."""
        with self._db.exclusive() as connection:
            model = _model_id(connection, name)
            before = _require_pointed(connection, model, name, alias)
            connection.execute(delete(_table).where(_table.c.model == model, _table.c.alias == alias))
            _note(connection, "registered-alias.removed", name, alias, None, before, actor, now)

    def get(self, name: str, alias: str) -> RegisteredVersion:
        """The version that an alias points at."""
        with self._db.read() as connection:
            model = _model_id(connection, name)
            return require_registered(connection, name, _require_pointed(connection, model, name, alias))

    def _promote(self, name: str, version: int, now: int, actor: str) -> None:
        with self._db.read() as connection:
            found = require_registered(connection, name, version)
            task = _task_of(connection, found)
            if task is None:
                return
            folder = "" if found.imported is not None else folder_of(connection, found.source)
        number = found.imported
        if number is None:
            number = self._policy.bring(task, partial(self._read, folder), found.source, actor)
            self._versions.imported(name, version, number, now, actor=actor)
        self._policy.promote(task, number, actor)

    def _read(self, folder: str, path: str) -> bytes:
        """Raises: InvalidInput: the file is larger than one of a model may be."""
        return self._files.get(f"{folder}/{path}", MOST_FILE)


def _task_of(connection: Connection, found: RegisteredVersion) -> str | None:
    """The task that a version belongs to, if any. Raises: InvalidInput: its tag names none that there is."""
    query = select(tracking_model_tags.c.value).join(_models, _models.c.id == tracking_model_tags.c.model)
    of_model = connection.scalar(query.where(_models.c.name == found.name, tracking_model_tags.c.key == TASK_TAG))
    named = found.tags.get(TASK_TAG) or of_model
    if named and find_task(connection, named) is None:
        raise invalid(f"tag {TASK_TAG}", named, "name a task of this project, or delete the tag")
    return named or (found.name if find_task(connection, found.name) is not None else None)


def _model_id(connection: Connection, name: str) -> str:
    model: str | None = connection.scalar(select(_models.c.id).where(_models.c.name == name))
    if model is None:
        fix = "create it first, with registered-models/create"
        raise NotFound(f"there is no registered model '{name}'", Fault("name", repr(name), fix))
    return model


def _require_version(connection: Connection, name: str, version: int) -> Row[Any]:
    """The version's model and number at its task, by one look-up. Raises: NotFound."""
    table = tracking_versions
    query: Select[Any] = select(table.c.model, table.c.imported).join(_models, _models.c.id == table.c.model)
    row: Row[Any] | None = connection.execute(query.where(_models.c.name == name, table.c.version == version)).first()
    if row is None:
        raise missing_version(connection, name, version)
    return row


def _pointed(connection: Connection, model: str, alias: str) -> int | None:
    version: int | None = connection.scalar(
        select(_table.c.version).where(_table.c.model == model, _table.c.alias == alias)
    )
    return version


def _require_pointed(connection: Connection, model: str, name: str, alias: str) -> int:
    version = _pointed(connection, model, alias)
    if version is None:
        raise NotFound(f"'{name}' has no alias '{alias}'", Fault("alias", repr(alias), "set it first"))
    return version


def _note(
    connection: Connection,
    action: str,
    name: str,
    alias: str,
    version: int | None,
    before: int | None,
    actor: str,
    now: int,
) -> None:
    detail = {"alias": alias, "version": version, "before": before}
    append(connection, at=now, actor=actor, action=action, subject=f"registered-model/{name}", detail=detail)
