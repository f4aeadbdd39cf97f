"""Logged models: what runs made, under ids of their own, with tags, params, metrics and a folder of files."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import delete, select

from tropism.core.errors import Fault, NotFound
from tropism.registry.audit import append
from tropism.registry.tracking.checks import (
    EXPERIMENTS,
    KEY,
    METRICS,
    NAME,
    PARAM,
    TAG,
    invalid,
    require_at_most,
    require_few,
    require_length,
)
from tropism.registry.tracking.experiments import Lifecycle, require_experiment
from tropism.registry.tracking.filters import parse_filter
from tropism.registry.tracking.logged_metrics import metrics_of
from tropism.registry.tracking.metrics import Metric
from tropism.registry.tracking.rows import replace
from tropism.registry.tracking.searching import Family, Subject, narrowed, ordered
from tropism.storage.tables.tracking_schema import (
    tracking_logged_metrics,
    tracking_logged_models,
    tracking_logged_params,
    tracking_logged_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from tropism.registry.tracking.filters import Order
    from tropism.storage.tables import Database

ModelStatus = Literal["PENDING", "READY", "FAILED"]
_table, _tags, _params = tracking_logged_models, tracking_logged_tags, tracking_logged_params
_FORBIDDEN = "/:.%\"'"
_SYNONYMS = {
    **dict.fromkeys(("tags.",), "tag"),
    **dict.fromkeys(("params.",), "parameter"),
    **dict.fromkeys(("metrics.",), "metric"),
    **dict.fromkeys(("attr.", "attributes."), "attribute"),
    "creation_time": "creation_timestamp",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
}


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A logged model; of each metric the latest value. Times are µs."""

    id: str
    experiment_id: str
    name: str
    model_type: str
    source_run_id: str
    artifact_uri: str
    status: ModelStatus
    lifecycle: Lifecycle
    created_at: int
    updated_at: int
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: tuple[Metric, ...] = ()


class LoggedModels:
    """Makes, finds and changes logged models. A deleted one is kept.

    Raises (from each method but `search`):
        NotFound: there is no such model.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        experiment_id: str,
        now: int,
        *,
        name: str = "",
        model_type: str = "",
        source_run_id: str = "",
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> LoggedModel:
        """A model whose files are still to come. Without a name it gets one.

        Raises:
            NotFound: there is no such experiment.
            InvalidInput: the experiment is deleted, or a name, tag or param does not fit.
        """
        model_id = f"m-{uuid.uuid4().hex}"
        name = name or f"model-{model_id[2:10]}"
        _require_name(name)
        require_at_most(model_type, NAME, "model_type")
        with self._db.begin() as connection:
            experiment = require_experiment(connection, experiment_id, now, active=True)
            values = {
                "id": model_id,
                "experiment_id": experiment_id,
                "name": name,
                "model_type": model_type,
                "source_run_id": source_run_id,
                "artifact_uri": f"{experiment.artifact_location.rstrip('/')}/models/{model_id}/artifacts",
                "status": "PENDING",
                "lifecycle": "active",
                "created_at": now,
                "updated_at": now,
            }
            connection.execute(_table.insert(), values)
            _write(connection, model_id, _tags, tags or {}, TAG)
            _write(connection, model_id, _params, params or {}, PARAM)
            return _load(connection, [require_logged(connection, model_id)])[0]

    def get(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """The model; a deleted one only where it is asked for."""
        with self._db.read() as connection:
            return _load(connection, [require_logged(connection, model_id, deleted=deleted)])[0]

    def finish(self, model_id: str, status: ModelStatus, now: int) -> LoggedModel:
        """Says that the files are there, or that they did not come."""
        with self._db.begin() as connection:
            require_logged(connection, model_id)
            _update(connection, model_id, now, status=status)
            return _load(connection, [require_logged(connection, model_id)])[0]

    def delete(self, model_id: str, now: int, *, actor: str = "mlflow") -> None:
        """Takes a model out of sight. Its files stay: versions may have been registered of them."""
        with self._db.exclusive() as connection:
            require_logged(connection, model_id)
            _update(connection, model_id, now, lifecycle="deleted")
            subject = f"logged-model/{model_id}"
            append(connection, at=now, actor=actor, action="logged-model.deleted", subject=subject, detail={})

    def set_tags(self, model_id: str, tags: Mapping[str, str], now: int) -> LoggedModel:
        """Raises: InvalidInput: a tag is too long, or there are over 1,000."""
        return self._set(model_id, _tags, tags, TAG, now)

    def set_params(self, model_id: str, params: Mapping[str, str], now: int) -> LoggedModel:
        """Raises: InvalidInput: a param is too long, or there are over 1,000."""
        return self._set(model_id, _params, params, PARAM, now)

    def delete_tag(self, model_id: str, key: str, now: int) -> None:
        """Raises: NotFound: it has no such tag."""
        with self._db.begin() as connection:
            require_logged(connection, model_id)
            chosen = (_tags.c.model_id == model_id) & (_tags.c.key == key)
            if connection.execute(delete(_tags).where(chosen)).rowcount == 0:
                raise NotFound(
                    f"model '{model_id}' has no tag '{key}'", Fault("key", repr(key), "name one that it has")
                )
            _update(connection, model_id, now)

    def search(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        orders: Sequence[Order] = (),
        *,
        limit: int = 100,
        start: int = 0,
    ) -> tuple[LoggedModel, ...]:
        """Up to `limit` models from the `start`-th on, the newest first unless `orders` say otherwise.

        Raises:
            InvalidInput: the filter or an order does not parse, or names what is not there.
        """
        require_few(experiment_ids, EXPERIMENTS, "experiment_ids")
        clauses = parse_filter(filter_string)
        query = select(_table).where(_table.c.experiment_id.in_(experiment_ids), _table.c.lifecycle == "active")
        with self._db.read() as connection:
            subject = _subject(connection)
            query = ordered(
                narrowed(query, subject, clauses), subject, orders, (_table.c.created_at.desc(), _table.c.id)
            )
            return _load(connection, connection.execute(query.limit(limit).offset(start)).all())

    def _set(self, model_id: str, table: Any, given: Mapping[str, str], most: int, now: int) -> LoggedModel:
        with self._db.begin() as connection:
            require_logged(connection, model_id)
            _write(connection, model_id, table, given, most)
            _update(connection, model_id, now)
            return _load(connection, [require_logged(connection, model_id)])[0]


def require_logged(connection: Connection, model_id: str, *, deleted: bool = False) -> Row[Any]:
    """The model's row. Raises: NotFound: there is none, or it is deleted and `deleted` is not set."""
    row: Row[Any] | None = connection.execute(select(_table).where(_table.c.id == model_id)).first()
    if row is None or (row.lifecycle != "active" and not deleted):
        fix = "list those there are with logged-models/search"
        raise NotFound(f"there is no logged model '{model_id}'", Fault("model_id", repr(model_id), fix))
    return row


def _load(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[LoggedModel, ...]:
    ids = [row.id for row in rows]
    texts: list[dict[str, dict[str, str]]] = []
    for table in (_tags, _params):
        found: dict[str, dict[str, str]] = {one: {} for one in ids}
        for row in connection.execute(select(table).where(table.c.model_id.in_(ids)).order_by(table.c.key)):
            found[row.model_id][row.key] = row.value
        texts.append(found)
    metrics = metrics_of(connection, ids)
    return tuple(
        LoggedModel(**row._mapping, tags=texts[0][row.id], params=texts[1][row.id], metrics=metrics.get(row.id, ()))
        for row in rows
    )


def _write(connection: Connection, model_id: str, table: Any, given: Mapping[str, str], most: int) -> None:
    require_few(given, METRICS, "tags or params")
    for key, value in given.items():
        require_length(key, KEY, "key")
        require_at_most(value, most, key)
    replace(connection, table, [{"model_id": model_id, "key": key, "value": given[key]} for key in sorted(given)])


def _update(connection: Connection, model_id: str, now: int, **values: str) -> None:
    connection.execute(_table.update().where(_table.c.id == model_id).values(updated_at=now, **values))


def _require_name(name: str) -> None:
    require_at_most(name, NAME, "name")
    if any(one in name for one in _FORBIDDEN):
        raise invalid("name", name, f"leave out {' '.join(_FORBIDDEN)}")


def _subject(connection: Connection) -> Subject:
    times = {"creation_timestamp": _table.c.created_at, "last_updated_timestamp": _table.c.updated_at}
    attributes = {
        "name": _table.c.name,
        "model_id": _table.c.id,
        "model_type": _table.c.model_type,
        "status": _table.c.status,
        "source_run_id": _table.c.source_run_id,
        "experiment_id": _table.c.experiment_id,
        "artifact_location": _table.c.artifact_uri,
        **times,
    }
    tables = {"tag": _tags, "parameter": _params, "metric": tracking_logged_metrics}
    families = {name: Family(table, (("model_id", _table.c.id),)) for name, table in tables.items()}
    return Subject(attributes, families, connection.dialect.name, frozenset(times), _SYNONYMS)
