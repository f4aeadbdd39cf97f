"""Registered models of MLflow's: names for versions that came over its protocol. No task need have such a name."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, select

from tropism.core.errors import Conflict, Fault, NotFound
from tropism.registry.audit import append
from tropism.registry.tracking.checks import KEY, REGISTRY_TAG, require_at_most, require_length, require_model_name
from tropism.registry.tracking.filters import parse_filter, parse_orders
from tropism.registry.tracking.model_versions import RegisteredVersion, load_versions
from tropism.registry.tracking.rows import replace
from tropism.registry.tracking.searching import Family, Subject, narrowed, ordered
from tropism.storage.tables.tracking_schema import (
    tracking_aliases,
    tracking_model_tags,
    tracking_models,
    tracking_version_tags,
    tracking_versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database

_LONGEST = 100_000
_IS_PROMPT = "mlflow.prompt.is_prompt"
_table, _tags = tracking_models, tracking_model_tags


class RegisteredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model. `latest` is its newest version, `aliases` the versions by alias. Times are µs."""

    name: str
    description: str
    created_at: int
    updated_at: int
    tags: dict[str, str]
    aliases: dict[str, int]
    latest: RegisteredVersion | None


class Models:
    """Makes, finds and changes registered models.

    Raises (from each method but `create` and `search`):
        NotFound: there is no such model.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        name: str,
        now: int,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        actor: str = "mlflow",
    ) -> RegisteredModel:
        """Raises: Conflict: there is one of that name. InvalidInput: a name, text or tag does not fit."""
        require_model_name(name)
        require_at_most(description, _LONGEST, "description")
        with self._db.exclusive() as connection:
            _require_free(connection, name)
            model, times = uuid.uuid4().hex, {"created_at": now, "updated_at": now}
            values = {"id": model, "name": name, "description": description, "last_version": 0, **times}
            connection.execute(_table.insert(), values)
            _set_tags(connection, model, tags or {})
            _note(connection, "registered-model.created", name, {}, actor, now)
            return _load(connection, [require_model(connection, name)])[0]

    def get(self, name: str) -> RegisteredModel:
        """The model with its tags, its aliases and its newest version."""
        with self._db.read() as connection:
            return _load(connection, [require_model(connection, name)])[0]

    def search(
        self, filter_string: str = "", orders: Sequence[str] = (), *, limit: int = 100, start: int = 0
    ) -> tuple[RegisteredModel, ...]:
        """Up to `limit` models from the `start`-th on, by name unless `orders` say otherwise.

        Raises:
            InvalidInput: the filter or an order does not parse, or names what is not there.
        """
        clauses, sorting = parse_filter(filter_string), parse_orders(orders)
        with self._db.read() as connection:
            subject = _subject(connection)
            query = ordered(narrowed(select(_table), subject, clauses), subject, sorting, (_table.c.name,))
            return _load(connection, connection.execute(query.limit(limit).offset(start)).all())

    def describe(self, name: str, description: str, now: int, *, actor: str = "mlflow") -> RegisteredModel:
        """Sets the description. Raises: InvalidInput: it is too long."""
        require_at_most(description, _LONGEST, "description")
        with self._db.exclusive() as connection:
            row = require_model(connection, name)
            _update(connection, row.id, now, description=description)
            _note(connection, "registered-model.described", name, {}, actor, now)
            return _load(connection, [require_model(connection, name)])[0]

    def rename(self, name: str, new_name: str, now: int, *, actor: str = "mlflow") -> RegisteredModel:
        """Raises: Conflict: there is one of the new name. InvalidInput: the new name does not fit."""
        require_model_name(new_name, "new_name")
        with self._db.exclusive() as connection:
            row = require_model(connection, name)
            if new_name != name:
                _require_free(connection, new_name)
                _update(connection, row.id, now, name=new_name)
                _note(connection, "registered-model.renamed", new_name, {"before": name}, actor, now)
            return _load(connection, [require_model(connection, new_name)])[0]

    def delete(self, name: str, now: int, *, actor: str = "mlflow") -> None:
        """Deletes a model with its versions and aliases. Files of runs and versions of tasks stay."""
        with self._db.exclusive() as connection:
            row = require_model(connection, name)
            pointing = _aliases(connection, [row.id]).get(row.id, {})
            for table in (tracking_aliases, tracking_version_tags, tracking_versions, _tags):
                connection.execute(delete(table).where(table.c.model == row.id))
            connection.execute(delete(_table).where(_table.c.id == row.id))
            detail = {"aliases": pointing, "versions": row.last_version}
            _note(connection, "registered-model.deleted", name, detail, actor, now)

    def set_tag(self, name: str, key: str, value: str, now: int) -> None:
        """Raises: InvalidInput: the key or the value is too long."""
        with self._db.begin() as connection:
            row = require_model(connection, name)
            _set_tags(connection, row.id, {key: value})
            _update(connection, row.id, now)

    def delete_tag(self, name: str, key: str, now: int) -> None:
        """Removes a tag, if it is there."""
        with self._db.begin() as connection:
            row = require_model(connection, name)
            connection.execute(delete(_tags).where(_tags.c.model == row.id, _tags.c.key == key))
            _update(connection, row.id, now)


def require_model(connection: Connection, name: str) -> Row[Any]:
    """The model's row. Raises: NotFound."""
    row = connection.execute(select(_table).where(_table.c.name == name)).first()
    if row is None:
        fix = "create it first, with registered-models/create"
        raise NotFound(f"there is no registered model '{name}'", Fault("name", repr(name), fix))
    return row


def _load(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[RegisteredModel, ...]:
    ids = [row.id for row in rows]
    tags: dict[str, dict[str, str]] = {one: {} for one in ids}
    for row in connection.execute(select(_tags).where(_tags.c.model.in_(ids)).order_by(_tags.c.key)):
        tags[row.model][row.key] = row.value
    aliases, newest = _aliases(connection, ids), _newest(connection, ids)
    return tuple(
        RegisteredModel(
            name=row.name,
            description=row.description,
            created_at=row.created_at,
            updated_at=row.updated_at,
            tags=tags[row.id],
            aliases=aliases.get(row.id, {}),
            latest=newest.get(row.name),
        )
        for row in rows
    )


def _aliases(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    table, found = tracking_aliases, dict[str, dict[str, int]]()
    for row in connection.execute(select(table).where(table.c.model.in_(ids)).order_by(table.c.alias)):
        found.setdefault(row.model, {})[row.alias] = row.version
    return found


def _newest(connection: Connection, ids: Sequence[str]) -> dict[str, RegisteredVersion]:
    """By name. One look at the end of the key for each model: it does not depend on how many versions there are."""
    table = tracking_versions
    last = select(table.c.version).where(table.c.model == _table.c.id).order_by(table.c.version.desc()).limit(1)
    query = select(table, _table.c.name).join(_table, _table.c.id == table.c.model)
    query = query.where(_table.c.id.in_(ids), table.c.version == last.correlate(_table).scalar_subquery())
    return {one.name: one for one in load_versions(connection, connection.execute(query).all())}


def _subject(connection: Connection) -> Subject:
    times = {
        "creation_timestamp": _table.c.created_at,
        "last_updated_timestamp": _table.c.updated_at,
        "timestamp": _table.c.updated_at,
    }
    return Subject(
        {"name": _table.c.name, **times},
        {"tag": Family(_tags, (("model", _table.c.id),), absent_differs=frozenset((_IS_PROMPT,)))},
        connection.dialect.name,
        frozenset(times),
        {"tags.": "tag", "attr.": "attribute", "attributes.": "attribute"},
    )


def _set_tags(connection: Connection, model: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        require_length(key, KEY, "key")
        require_at_most(value, REGISTRY_TAG, "value")
    replace(connection, _tags, [{"model": model, "key": key, "value": value} for key, value in tags.items()])


def _update(connection: Connection, model: str, now: int, **values: str) -> None:
    connection.execute(_table.update().where(_table.c.id == model).values(updated_at=now, **values))


def _require_free(connection: Connection, name: str) -> None:
    if connection.scalar(select(_table.c.id).where(_table.c.name == name)) is not None:
        raise Conflict(f"there is a registered model '{name}'", Fault("name", repr(name), "use another name"))


def _note(connection: Connection, action: str, name: str, detail: dict[str, Any], actor: str, now: int) -> None:
    append(connection, at=now, actor=actor, action=action, subject=f"registered-model/{name}", detail=detail)
