"""Experiments: what runs are gathered under. A deleted one is kept, and can be restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import delete, func, select

from tropism.core.errors import Conflict, Fault, NotFound
from tropism.registry.audit import append
from tropism.registry.tracking.checks import KEY, NAME, invalid, require_at_most, require_length
from tropism.registry.tracking.filters import parse_filter, parse_orders
from tropism.registry.tracking.rows import insert_new, replace
from tropism.registry.tracking.searching import Family, Subject, narrowed, ordered
from tropism.storage.tables.tracking_schema import tracking_experiment_tags, tracking_experiments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database

View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
Lifecycle = Literal["active", "deleted"]
DEFAULT = "0"
"""The id of the experiment that runs are in when no other is named."""
ARTIFACTS = "mlflow-artifacts:/"
_TAG = 20_000
_table = tracking_experiments


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment. Times are µs."""

    id: str
    name: str
    artifact_location: str
    lifecycle: Lifecycle
    created_at: int
    updated_at: int
    tags: dict[str, str] = {}


class Experiments:
    """Makes, finds and changes experiments.

    Raises (from each method):
        NotFound: there is no such experiment.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(self, name: str, now: int, *, location: str = "", tags: Mapping[str, str] | None = None) -> str:
        """Makes an experiment; its id.

        Raises:
            Conflict: one has that name, perhaps a deleted one.
            InvalidInput: a name, a location or a tag is too long, or the name is empty.
        """
        _require_name(name, "name")
        require_at_most(location, _TAG, "artifact_location")
        with self._db.exclusive() as connection:
            ensure_default(connection, now)
            _require_free(connection, name)
            count = connection.scalar(select(func.count()).select_from(_table)) or 1
            _insert(connection, str(count), name, location or f"{ARTIFACTS}{count}", now)
            _set_tags(connection, str(count), tags or {})
            _note(connection, "experiment.created", str(count), {"name": name}, now)
        return str(count)

    def get(self, experiment_id: str, now: int) -> Experiment:
        """The experiment, deleted or not. The one called `Default` is there from the first look on."""
        return self._find(_table.c.id == experiment_id, "experiment_id", experiment_id, now)

    def named(self, name: str, now: int) -> Experiment:
        """The experiment of that name, deleted or not."""
        return self._find(_table.c.name == name, "experiment_name", name, now)

    def search(
        self, filter_string: str, orders: Sequence[str], view: View, *, limit: int, start: int, now: int
    ) -> tuple[Experiment, ...]:
        """Up to `limit` experiments from the `start`-th on, the newest first unless `orders` say otherwise.

        Raises:
            InvalidInput: the filter or an order does not parse, or names what is not there.
        """
        clauses, sorting = parse_filter(filter_string), parse_orders(orders)
        self._default(now)
        with self._db.read() as connection:
            subject = _subject(connection)
            query = narrowed(select(_table), subject, clauses)
            if view != "ALL":
                query = query.where(_table.c.lifecycle == ("active" if view == "ACTIVE_ONLY" else "deleted"))
            query = ordered(query, subject, sorting, (_table.c.created_at.desc(), _table.c.id.desc()))
            return _loaded(connection, connection.execute(query.limit(limit).offset(start)).all())

    def rename(self, experiment_id: str, name: str, now: int) -> None:
        """Raises: Conflict: another one has that name. InvalidInput: the name does not fit."""
        _require_name(name, "new_name")
        with self._db.exclusive() as connection:
            row = require_experiment(connection, experiment_id, now, active=True)
            if row.name == name:
                return
            _require_free(connection, name)
            _update(connection, experiment_id, now, name=name)
            _note(connection, "experiment.renamed", experiment_id, {"name": name, "before": row.name}, now)

    def delete(self, experiment_id: str, now: int) -> None:
        """Deletes an experiment, which takes its runs out of sight.

        Raises:
            InvalidInput: it is the one that runs are in when no other is named.
        """
        if experiment_id == DEFAULT:
            raise invalid("experiment_id", experiment_id, "name another; the default experiment stays")
        self._move(experiment_id, "deleted", now)

    def restore(self, experiment_id: str, now: int) -> None:
        """Brings a deleted experiment back, and its runs with it."""
        self._move(experiment_id, "active", now)

    def set_tag(self, experiment_id: str, key: str, value: str, now: int) -> None:
        """Raises: InvalidInput: the experiment is deleted, or a key or value is too long."""
        with self._db.begin() as connection:
            require_experiment(connection, experiment_id, now, active=True)
            _set_tags(connection, experiment_id, {key: value})
            _update(connection, experiment_id, now)

    def delete_tag(self, experiment_id: str, key: str, now: int) -> None:
        """Raises: NotFound: it has no such tag."""
        with self._db.begin() as connection:
            require_experiment(connection, experiment_id, now, active=True)
            tags = tracking_experiment_tags
            gone = connection.execute(delete(tags).where(tags.c.experiment_id == experiment_id, tags.c.key == key))
            if gone.rowcount == 0:
                raise NotFound(f"there is no tag '{key}'", Fault("key", repr(key), "name one that it has"))
            _update(connection, experiment_id, now)

    def _find(self, condition: Any, field: str, value: str, now: int) -> Experiment:
        for _ in range(2):
            with self._db.read() as connection:
                rows = connection.execute(select(_table).where(condition)).all()
                if rows:
                    return _loaded(connection, rows)[0]
            if value not in (DEFAULT, "Default"):
                break
            self._default(now)
        raise _missing(field, value)

    def _default(self, now: int) -> None:
        with self._db.read() as connection:
            if connection.scalar(select(_table.c.id).where(_table.c.id == DEFAULT)) is not None:
                return
        with self._db.begin() as connection:
            ensure_default(connection, now)

    def _move(self, experiment_id: str, lifecycle: Lifecycle, now: int) -> None:
        with self._db.exclusive() as connection:
            row = require_experiment(connection, experiment_id, now)
            if row.lifecycle != lifecycle:
                _update(connection, experiment_id, now, lifecycle=lifecycle)
                action = "experiment.deleted" if lifecycle == "deleted" else "experiment.restored"
                _note(connection, action, experiment_id, {"name": row.name}, now)


def ensure_default(connection: Connection, now: int) -> None:
    """Makes the experiment that runs are in when no other is named, unless it is there."""
    if connection.scalar(select(_table.c.id).where(_table.c.id == DEFAULT)) is None:
        insert_new(connection, _table, [_values(DEFAULT, "Default", f"{ARTIFACTS}{DEFAULT}", now)])


def require_experiment(connection: Connection, experiment_id: str, now: int, *, active: bool = False) -> Row[Any]:
    """The experiment's row. Raises: NotFound. InvalidInput: it is deleted, and an `active` one is needed."""
    if experiment_id == DEFAULT:
        ensure_default(connection, now)
    row = connection.execute(select(_table).where(_table.c.id == experiment_id)).first()
    if row is None:
        raise _missing("experiment_id", experiment_id)
    if active and row.lifecycle != "active":
        raise invalid("experiment_id", experiment_id, "restore the experiment first; it is deleted")
    return row


def _subject(connection: Connection) -> Subject:
    columns = {"name": _table.c.name, "experiment_id": _table.c.id}
    times = {"creation_time": _table.c.created_at, "last_update_time": _table.c.updated_at}
    tags = tracking_experiment_tags
    return Subject(
        {**columns, **times},
        {"tag": Family(tags, (("experiment_id", _table.c.id),))},
        connection.dialect.name,
        frozenset(times),
        {"tags.": "tag", "attr.": "attribute", "attributes.": "attribute"},
    )


def _loaded(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Experiment, ...]:
    tags = tracking_experiment_tags
    found: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    for start in range(0, len(rows), 1_000):
        ids = [row.id for row in rows[start : start + 1_000]]
        for tag in connection.execute(select(tags).where(tags.c.experiment_id.in_(ids)).order_by(tags.c.key)):
            found[tag.experiment_id][tag.key] = tag.value
    return tuple(Experiment(**row._mapping, tags=found[row.id]) for row in rows)


def _values(experiment_id: str, name: str, location: str, now: int) -> dict[str, Any]:
    times = {"created_at": now, "updated_at": now}
    return {"id": experiment_id, "name": name, "artifact_location": location, "lifecycle": "active", **times}


def _insert(connection: Connection, experiment_id: str, name: str, location: str, now: int) -> None:
    connection.execute(_table.insert(), _values(experiment_id, name, location, now))


def _update(connection: Connection, experiment_id: str, now: int, **values: str) -> None:
    connection.execute(_table.update().where(_table.c.id == experiment_id).values(updated_at=now, **values))


def _set_tags(connection: Connection, experiment_id: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        require_length(key, KEY, "key")
        require_at_most(value, _TAG, "value")
    rows = [{"experiment_id": experiment_id, "key": key, "value": value} for key, value in tags.items()]
    replace(connection, tracking_experiment_tags, rows)


def _require_name(name: str, field: str) -> None:
    require_length(name, NAME, field)
    if not name.strip():
        raise invalid(field, name, "use a name of more than spaces")


def _require_free(connection: Connection, name: str) -> None:
    row = connection.execute(select(_table.c.lifecycle).where(_table.c.name == name)).first()
    if row is not None:
        fix = "use another name" if row.lifecycle == "active" else "restore that one, which is deleted, or rename it"
        raise Conflict(f"there is an experiment '{name}'", Fault("name", repr(name), fix))


def _missing(field: str, value: str) -> NotFound:
    fix = "list those there are with experiments/search"
    return NotFound(f"there is no experiment '{value}'", Fault(field, repr(value), fix))


def _note(connection: Connection, action: str, experiment_id: str, detail: dict[str, str], now: int) -> None:
    append(connection, at=now, actor="mlflow", action=action, subject=f"experiment/{experiment_id}", detail=detail)
