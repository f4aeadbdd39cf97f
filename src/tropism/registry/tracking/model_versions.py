"""Versions of registered models: numbered 1, 2, 3, and a number is never given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import delete, select

from tropism.core.errors import Fault, NotFound
from tropism.registry.audit import append
from tropism.registry.tracking.checks import KEY, REGISTRY_TAG, invalid, require_at_most, require_length
from tropism.registry.tracking.filters import parse_filter, parse_orders
from tropism.registry.tracking.rows import replace
from tropism.registry.tracking.searching import Family, Subject, narrowed, ordered
from tropism.storage.tables.tracking_schema import (
    tracking_aliases,
    tracking_models,
    tracking_version_tags,
    tracking_versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from tropism.storage.tables import Database

_LONGEST = 100_000
_LARGEST = (1 << 31) - 1
_table, _tags, _models = tracking_versions, tracking_version_tags, tracking_models


class RegisteredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a registered model. `imported` is the number of the version of a task that was made of it."""

    name: str
    version: int
    source: str
    run_id: str
    run_link: str
    description: str
    imported: int | None
    created_at: int
    updated_at: int
    tags: dict[str, str]
    aliases: tuple[str, ...]


class ModelVersions:
    """Registers, finds and changes versions.

    Raises (from each method but `search`):
        NotFound: there is no such model, or no such version.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        name: str,
        source: str,
        now: int,
        *,
        run_id: str = "",
        run_link: str = "",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        actor: str = "mlflow",
    ) -> RegisteredVersion:
        """Registers a version: the next number of the model.

        Raises:
            InvalidInput: the source is a path of a machine, which says nothing on another; or something is too long.
        """
        _require_source(source)
        for field, text in (("description", description), ("run_link", run_link), ("run_id", run_id)):
            require_at_most(text, _LONGEST, field)
        with self._db.exclusive() as connection:
            model = _require_model(connection, name)
            version, times = model.last_version + 1, {"created_at": now, "updated_at": now}
            values = {"source": source, "run_id": run_id, "run_link": run_link, "description": description}
            connection.execute(_table.insert(), {"model": model.id, "version": version, **values, **times})
            moved = {"last_version": version, "updated_at": now}
            connection.execute(_models.update().where(_models.c.id == model.id).values(**moved))
            _set_tags(connection, model.id, version, tags or {})
            _note(
                connection, "registered-version.created", name, version, {"source": source, "run": run_id}, actor, now
            )
            return require_registered(connection, name, version)

    def get(self, name: str, version: int) -> RegisteredVersion:
        """The version with its tags and aliases."""
        with self._db.read() as connection:
            return require_registered(connection, name, version)

    def latest(self, name: str) -> RegisteredVersion | None:
        """The newest version; None if there is none."""
        with self._db.read() as connection:
            model = _require_model(connection, name)
            query = _query().where(_table.c.model == model.id).order_by(_table.c.version.desc()).limit(1)
            return next(iter(load_versions(connection, connection.execute(query).all())), None)

    def search(
        self, filter_string: str = "", orders: Sequence[str] = (), *, limit: int = 1_000, start: int = 0
    ) -> tuple[RegisteredVersion, ...]:
        """Up to `limit` versions from the `start`-th on, the one changed last first unless `orders` say otherwise.

        Raises:
            InvalidInput: the filter or an order does not parse, or names what is not there.
        """
        clauses, sorting = parse_filter(filter_string), parse_orders(orders)
        with self._db.read() as connection:
            subject = _subject(connection)
            ends = (_table.c.updated_at.desc(), _models.c.name, _table.c.version.desc())
            query = ordered(narrowed(_query(), subject, clauses), subject, sorting, ends)
            return load_versions(connection, connection.execute(query.limit(limit).offset(start)).all())

    def describe(
        self, name: str, version: int, description: str, now: int, *, actor: str = "mlflow"
    ) -> RegisteredVersion:
        """Sets the description. Raises: InvalidInput: it is too long."""
        require_at_most(description, _LONGEST, "description")
        with self._db.exclusive() as connection:
            require_registered(connection, name, version)
            _update(connection, name, version, now, description=description)
            _note(connection, "registered-version.described", name, version, {}, actor, now)
            return require_registered(connection, name, version)

    def imported(self, name: str, version: int, number: int, now: int, *, actor: str = "mlflow") -> None:
        """Notes that version `number` of the task called `name` was made of this one."""
        with self._db.exclusive() as connection:
            require_registered(connection, name, version)
            _update(connection, name, version, now, imported=number)
            _note(connection, "registered-version.imported", name, version, {"version": number}, actor, now)

    def delete(self, name: str, version: int, now: int, *, actor: str = "mlflow") -> None:
        """Deletes a version and the aliases that point at it. A version of a task that was made of it stays."""
        with self._db.exclusive() as connection:
            found = require_registered(connection, name, version)
            model = _require_model(connection, name)
            for table in (tracking_aliases, _tags, _table):
                chosen = (table.c.model == model.id) & (table.c.version == version)
                connection.execute(delete(table).where(chosen))
            _note(connection, "registered-version.deleted", name, version, {"aliases": found.aliases}, actor, now)

    def set_tag(self, name: str, version: int, key: str, value: str, now: int) -> None:
        """Raises: InvalidInput: the key or the value is too long."""
        with self._db.begin() as connection:
            require_registered(connection, name, version)
            _set_tags(connection, _require_model(connection, name).id, version, {key: value})
            _update(connection, name, version, now)

    def delete_tag(self, name: str, version: int, key: str, now: int) -> None:
        """Removes a tag, if it is there."""
        with self._db.begin() as connection:
            require_registered(connection, name, version)
            model = _require_model(connection, name)
            chosen = (_tags.c.model == model.id) & (_tags.c.version == version) & (_tags.c.key == key)
            connection.execute(delete(_tags).where(chosen))
            _update(connection, name, version, now)


def require_registered(connection: Connection, name: str, version: int) -> RegisteredVersion:
    """The version. Raises: NotFound: there is no such model, or no such version."""
    if 0 < version <= _LARGEST:
        query = _query().where(_models.c.name == name, _table.c.version == version)
        row = connection.execute(query).first()
        if row is not None:
            return load_versions(connection, [row])[0]
    raise missing_version(connection, name, version)


def missing_version(connection: Connection, name: str, version: int) -> NotFound:
    """The error for a version that is not there. Raises: NotFound: nor is its model."""
    _require_model(connection, name)
    fix = "list those there are with model-versions/search"
    return NotFound(f"'{name}' has no version {version}", Fault("version", str(version), fix))


def load_versions(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[RegisteredVersion, ...]:
    """Versions of rows of all columns of `tracking_versions` and the model's name, in the same order."""
    found: list[RegisteredVersion] = []
    for start in range(0, len(rows), 1_000):
        found += _load(connection, rows[start : start + 1_000])
    return tuple(found)


def _load(connection: Connection, rows: Sequence[Row[Any]]) -> list[RegisteredVersion]:
    ids, numbers = {row.model for row in rows}, {row.version for row in rows}
    tags: dict[tuple[str, int], dict[str, str]] = {}
    own = _tags.c.model.in_(ids) & _tags.c.version.in_(numbers)
    for row in connection.execute(select(_tags).where(own).order_by(_tags.c.key)):
        tags.setdefault((row.model, row.version), {})[row.key] = row.value
    aliases, table = dict[tuple[str, int], list[str]](), tracking_aliases
    own = table.c.model.in_(ids) & table.c.version.in_(numbers)
    for row in connection.execute(select(table).where(own).order_by(table.c.alias)):
        aliases.setdefault((row.model, row.version), []).append(row.alias)
    loaded = []
    for row in rows:
        values, key = dict(row._mapping), (row.model, row.version)
        del values["model"]
        loaded.append(RegisteredVersion(**values, tags=tags.get(key, {}), aliases=tuple(aliases.get(key, ()))))
    return loaded


def _query() -> Select[Any]:
    return select(_table, _models.c.name).join(_models, _models.c.id == _table.c.model)


def _require_model(connection: Connection, name: str) -> Row[Any]:
    row: Row[Any] | None = connection.execute(select(_models).where(_models.c.name == name)).first()
    if row is None:
        fix = "create it first, with registered-models/create"
        raise NotFound(f"there is no registered model '{name}'", Fault("name", repr(name), fix))
    return row


def _subject(connection: Connection) -> Subject:
    times = {"creation_timestamp": _table.c.created_at, "last_updated_timestamp": _table.c.updated_at}
    attributes = {
        "name": _models.c.name,
        "version_number": _table.c.version,
        "run_id": _table.c.run_id,
        "source_path": _table.c.source,
        "source": _table.c.source,
        **times,
    }
    owners = (("model", _table.c.model), ("version", _table.c.version))
    synonyms = {"tags.": "tag", "attr.": "attribute", "attributes.": "attribute"}
    return Subject(attributes, {"tag": Family(_tags, owners)}, connection.dialect.name, frozenset(times), synonyms)


def _set_tags(connection: Connection, model: str, version: int, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        require_length(key, KEY, "key")
        require_at_most(value, REGISTRY_TAG, "value")
    rows = [{"model": model, "version": version, "key": key, "value": value} for key, value in tags.items()]
    replace(connection, _tags, rows)


def _update(connection: Connection, name: str, version: int, now: int, **values: Any) -> None:
    model = select(_models.c.id).where(_models.c.name == name).scalar_subquery()
    chosen = (_table.c.model == model) & (_table.c.version == version)
    connection.execute(_table.update().where(chosen).values(updated_at=now, **values))


def _require_source(source: str) -> None:
    require_length(source, _LONGEST, "source")
    try:
        scheme = urlsplit(source).scheme
    except ValueError:
        scheme = ""
    if scheme in ("", "file"):
        fix = "log the model as an artifact of a run first, then give that URI, such as runs:/<run>/model"
        raise invalid("source", source, fix)


def _note(
    connection: Connection, action: str, name: str, version: int, detail: dict[str, Any], actor: str, now: int
) -> None:
    subject = f"registered-model/{name}/{version}"
    append(connection, at=now, actor=actor, action=action, subject=subject, detail=detail)
