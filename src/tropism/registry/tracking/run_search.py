"""Searches runs by what they logged, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from tropism.registry.tracking.checks import EXPERIMENTS, require_few
from tropism.registry.tracking.filters import parse_filter, parse_orders
from tropism.registry.tracking.runs import Run, RunInfo, load_runs
from tropism.registry.tracking.searching import Family, Subject, narrowed, ordered
from tropism.storage.tables.tracking_schema import (
    tracking_experiments,
    tracking_inputs,
    tracking_latest,
    tracking_params,
    tracking_runs,
    tracking_tags,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from tropism.registry.tracking.experiments import View
    from tropism.storage.tables import Database

_SYNONYMS = {
    **dict.fromkeys(("metrics.",), "metric"),
    **dict.fromkeys(("params.", "param.", "parameters."), "parameter"),
    **dict.fromkeys(("tags.",), "tag"),
    **dict.fromkeys(("attr.", "attributes.", "run."), "attribute"),
    **dict.fromkeys(("datasets.",), "dataset"),
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}


class RunSearch:
    """Finds runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        orders: Sequence[str] = (),
        view: View = "ACTIVE_ONLY",
        *,
        limit: int = 1_000,
        start: int = 0,
    ) -> tuple[Run, ...]:
        """Up to `limit` runs from the `start`-th on, the last started first unless `orders` say otherwise.

        Metrics are compared by their latest values. A run of a deleted experiment counts as deleted.

        Raises:
            InvalidInput: the filter or an order does not parse, or names what is not there.
        """
        clauses, sorting = parse_filter(filter_string), parse_orders(orders)
        require_few(experiment_ids, EXPERIMENTS, "experiment_ids")
        runs = tracking_runs
        query = select(runs).where(runs.c.experiment_id.in_(experiment_ids))
        if view != "ALL":
            seen = (runs.c.lifecycle == "active") & runs.c.experiment_id.in_(_active(experiment_ids))
            query = query.where(seen if view == "ACTIVE_ONLY" else ~seen)
        with self._db.read() as connection:
            subject = _subject(connection)
            query = narrowed(query, subject, clauses)
            query = ordered(query, subject, sorting, (runs.c.started_at.desc(), runs.c.id))
            return load_runs(connection, connection.execute(query.limit(limit).offset(start)).all())

    def named(self, name: str, prefix: str = "", *, limit: int = 10) -> tuple[RunInfo, ...]:
        """Up to `limit` runs of a name, or whose id begins with `prefix`, the last started first; no deleted ones."""
        runs, experiments = tracking_runs, tracking_experiments
        wanted = runs.c.name == name
        if prefix:
            wanted = or_(wanted, runs.c.id.startswith(prefix, autoescape=True))
        query = select(runs).join(experiments, experiments.c.id == runs.c.experiment_id).where(wanted)
        query = query.where(runs.c.lifecycle == "active", experiments.c.lifecycle == "active")
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(runs.c.started_at.desc(), runs.c.id).limit(limit))
            return tuple(RunInfo(**row._mapping) for row in rows)


def _active(experiment_ids: Sequence[str]) -> Select[tuple[str]]:
    table = tracking_experiments
    return select(table.c.id).where(table.c.id.in_(experiment_ids), table.c.lifecycle == "active")


def _subject(connection: Connection) -> Subject:
    runs = tracking_runs
    attributes = {
        "run_id": runs.c.id,
        "run_name": runs.c.name,
        "user_id": runs.c.user_id,
        "status": runs.c.status,
        "artifact_uri": runs.c.artifact_uri,
        "start_time": runs.c.started_at,
        "end_time": runs.c.ended_at,
    }
    tables = {"metric": tracking_latest, "parameter": tracking_params, "tag": tracking_tags}
    families = {name: Family(table, (("run_id", runs.c.id),)) for name, table in tables.items()}
    families["dataset"] = Family(tracking_inputs, (("run_id", runs.c.id),), by_column=True)
    return Subject(attributes, families, connection.dialect.name, frozenset(("start_time", "end_time")), _SYNONYMS)
