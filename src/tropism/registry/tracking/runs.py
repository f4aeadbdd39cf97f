"""Runs: made, changed, deleted and restored. A deleted one is kept."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from tropism.registry.audit import append
from tropism.registry.tracking.checks import NAME, invalid, require_at_most
from tropism.registry.tracking.experiments import Lifecycle, require_experiment
from tropism.registry.tracking.inputs import DatasetInput, inputs_of
from tropism.registry.tracking.metrics import Metric, metric_of
from tropism.registry.tracking.rows import insert_new
from tropism.registry.tracking.run_models import RunModel, models_of
from tropism.registry.tracking.run_rows import require_run
from tropism.registry.tracking.tags import RUN_NAME, write_tags
from tropism.storage.tables.tracking_schema import tracking_latest, tracking_params, tracking_runs, tracking_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database

Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
_CHUNK = 1_000
_ID = re.compile(r"[0-9a-f]{32}")
_table = tracking_runs


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run without what it logged. Times are µs; `ended_at` is None until it ends."""

    id: str
    experiment_id: str
    name: str
    user_id: str
    status: Status
    lifecycle: Lifecycle
    artifact_uri: str
    started_at: int
    ended_at: int | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run and what it logged; of each metric the latest value."""

    info: RunInfo
    metrics: tuple[Metric, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    inputs: tuple[DatasetInput, ...] = ()
    models: tuple[RunModel, ...] = ()


class Runs:
    """Makes, reads and changes runs.

    Raises (from each method):
        NotFound: there is no such run.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        experiment_id: str,
        now: int,
        *,
        run_id: str | None = None,
        user: str = "",
        name: str = "",
        started_at: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Starts a run. Without a name it takes that of the tag `mlflow.runName`, or gets one.

        `run_id`: 32 hexadecimal digits; a run that has it is taken up as it stands, and gets the tags.

        Raises:
            NotFound: there is no such experiment.
            InvalidInput: the experiment or the run of this id is deleted; or the name and its tag differ; or something
                is too long; or the id is none.
        """
        tags, fresh = dict(tags or {}), run_id is None
        run_id = uuid.uuid4().hex if run_id is None else run_id
        if not _ID.fullmatch(run_id):
            raise invalid("run_id", run_id, "give 32 hexadecimal digits in lower case, or leave it out")
        if name and tags.get(RUN_NAME, name) != name:
            raise invalid("run_name", name, f"give one name; the tag {RUN_NAME} says otherwise")
        name = name or tags.get(RUN_NAME) or f"run-{run_id[:8]}"
        require_at_most(name, NAME, "run_name")
        require_at_most(user, NAME, "user_id")
        with self._db.begin() as connection:
            experiment = require_experiment(connection, experiment_id, now, active=True)
            info = RunInfo(
                id=run_id,
                experiment_id=experiment_id,
                name=name,
                user_id=user,
                status="RUNNING",
                lifecycle="active",
                artifact_uri=f"{experiment.artifact_location.rstrip('/')}/{run_id}/artifacts",
                started_at=now if started_at is None else started_at,
                ended_at=None,
            )
            insert_new(connection, _table, [msgspec.structs.asdict(info)])
            write_tags(connection, run_id, {**tags, RUN_NAME: name})
            if not fresh:
                return load_runs(connection, [require_run(connection, run_id, active=True)])[0]
        return Run(info=info, tags={**tags, RUN_NAME: name})

    def get(self, run_id: str) -> Run:
        """A run with all it logged, deleted or not."""
        with self._db.read() as connection:
            return load_runs(connection, [require_run(connection, run_id)])[0]

    def update(
        self, run_id: str, *, status: Status | None = None, ended_at: int | None = None, name: str = ""
    ) -> RunInfo:
        """Changes what is given. Raises: InvalidInput: the run is deleted, or the name is too long."""
        require_at_most(name, NAME, "run_name")
        given = {"status": status, "ended_at": ended_at, "name": name or None}
        changed = {key: value for key, value in given.items() if value is not None}
        with self._db.begin() as connection:
            require_run(connection, run_id, active=True)
            if changed:
                connection.execute(_table.update().where(_table.c.id == run_id).values(**changed))
            if name:
                write_tags(connection, run_id, {RUN_NAME: name})
            return RunInfo(**require_run(connection, run_id)._mapping)

    def delete(self, run_id: str, now: int) -> None:
        """Takes a run out of sight."""
        self._move(run_id, "deleted", now)

    def restore(self, run_id: str, now: int) -> None:
        """Brings a deleted run back."""
        self._move(run_id, "active", now)

    def _move(self, run_id: str, lifecycle: Lifecycle, now: int) -> None:
        with self._db.exclusive() as connection:
            if require_run(connection, run_id).lifecycle == lifecycle:
                return
            connection.execute(_table.update().where(_table.c.id == run_id).values(lifecycle=lifecycle))
            action = "run.deleted" if lifecycle == "deleted" else "run.restored"
            append(connection, at=now, actor="mlflow", action=action, subject=f"run/{run_id}", detail={})


def load_runs(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Run, ...]:
    """The runs of rows, with what they logged, in the same order."""
    found: list[Run] = []
    for start in range(0, len(rows), _CHUNK):
        found += _load(connection, rows[start : start + _CHUNK])
    return tuple(found)


def _load(connection: Connection, rows: Sequence[Row[Any]]) -> list[Run]:
    ids = [row.id for row in rows]
    metrics: dict[str, list[Metric]] = {one: [] for one in ids}
    latest = select(tracking_latest).where(tracking_latest.c.run_id.in_(ids)).order_by(tracking_latest.c.key)
    for row in connection.execute(latest):
        metrics[row.run_id].append(metric_of(row))
    texts: list[dict[str, dict[str, str]]] = []
    for table in (tracking_params, tracking_tags):
        by_run: dict[str, dict[str, str]] = {one: {} for one in ids}
        for run_id, key, value in connection.execute(
            select(table.c.run_id, table.c.key, table.c.value).where(table.c.run_id.in_(ids)).order_by(table.c.key)
        ):
            by_run[run_id][key] = value
        texts.append(by_run)
    params, tags = texts
    inputs, models = inputs_of(connection, ids), models_of(connection, ids)
    return [
        Run(
            info=RunInfo(**row._mapping),
            metrics=tuple(metrics[row.id]),
            params=params[row.id],
            tags=tags[row.id],
            inputs=inputs.get(row.id, ()),
            models=models.get(row.id, ()),
        )
        for row in rows
    ]
