"""Aliases of registered models. `champion` of a task's model moves by that task's policy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, select

from tropism.core.errors import Fault, NotFound, PolicyRefused
from tropism.registry.aliases import CHAMPION
from tropism.registry.audit import append
from tropism.registry.tasks import find_task
from tropism.registry.tracking.checks import require_alias
from tropism.registry.tracking.model_versions import RegisteredVersion, missing_version, require_registered
from tropism.storage.tables.tracking_schema import tracking_aliases, tracking_models, tracking_versions
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

    from tropism.storage.tables import Database

_table, _models = tracking_aliases, tracking_models


class PromotionPolicy(Protocol):
    """Makes version `version` of the task `model` its champion, or says why not.

    Called outside any transaction, so that it may open its own. May be called again for what it has done before,
    and then does nothing.
    """

    def __call__(self, model: str, version: int, actor: str) -> None:
        """Raises: PolicyRefused."""
        ...


def refuse_promotion(model: str, version: int, actor: str) -> None:  # noqa: ARG001 - a PromotionPolicy
    """The policy where none was given. Raises: PolicyRefused."""
    fault = Fault("alias", CHAMPION, f"run `tropism promote {model} {version}`")
    raise PolicyRefused(f"the champion of the task '{model}' is not moved from here", fault)


class ModelAliases:
    """Sets, reads and removes aliases. Each change is one transaction with its row in the audit log.

    Raises (from each method):
        NotFound: there is no such model, version or alias.
    """

    def __init__(self, db: Database, policy: PromotionPolicy = refuse_promotion) -> None:
        self._db = db
        self._policy = policy

    def set(self, name: str, alias: str, version: int, now: int, *, actor: str = "mlflow") -> None:
        """Points an alias at a version; the same again changes nothing.

        Where it is `champion`, a task has the model's name, and the version was imported as one of the task's, the
        policy promotes that one first. A crash in between leaves the alias behind; setting it again mends that.

        Raises:
            InvalidInput: the alias has other characters than letters, digits, _ and -, or stands for versions.
            PolicyRefused: the policy says no; nothing changed.
        """
        require_alias(alias)
        if alias == CHAMPION:
            self._promote(name, version, actor)
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

    def _promote(self, name: str, version: int, actor: str) -> None:
        with self._db.read() as connection:
            found = _require_version(connection, name, version)
            if found.imported is None or find_task(connection, name) is None:
                return
        self._policy(name, found.imported, actor)


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
