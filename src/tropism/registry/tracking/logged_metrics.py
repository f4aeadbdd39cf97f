"""Metrics of logged models: the latest value of each, beside the histories that runs keep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from tropism.registry.tracking.metrics import Metric, metric_of
from tropism.registry.tracking.rows import insertion
from tropism.storage.tables.tracking_schema import tracking_logged_metrics, tracking_logged_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_table = tracking_logged_metrics


def write_logged_metrics(connection: Connection, run_id: str, metrics: Sequence[Metric]) -> None:
    """Notes the metrics that name a logged model; those of a model that is not there are left to the run alone."""
    named = [one for one in metrics if one.model_id]
    if not named:
        return
    ids = {one.model_id for one in named}
    models = tracking_logged_models
    there = set(connection.scalars(select(models.c.id).where(models.c.id.in_(ids))))
    latest: dict[tuple[str, str], Metric] = {}
    for one in named:
        key = (one.model_id, one.key)
        if one.model_id in there and (key not in latest or _rank(one) >= _rank(latest[key])):
            latest[key] = one
    rows = [
        {
            "model_id": one.model_id,
            "key": one.key,
            "value": None if math.isnan(one.value) else one.value,
            "at": one.at,
            "step": one.step,
            "run_id": run_id,
            "dataset_name": one.dataset_name,
            "dataset_digest": one.dataset_digest,
        }
        for _, one in sorted(latest.items())
    ]
    if rows:
        statement = insertion(connection, _table)
        new = statement.excluded
        newer = or_(new.step > _table.c.step, (new.step == _table.c.step) & (new.at >= _table.c.at))
        values = {name: new[name] for name in rows[0] if not _table.c[name].primary_key}
        keys = list(_table.primary_key)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=newer), rows)


def metrics_of(connection: Connection, model_ids: Sequence[str]) -> dict[str, tuple[Metric, ...]]:
    """The latest metrics of models, by model."""
    found: dict[str, list[Metric]] = {}
    for row in connection.execute(select(_table).where(_table.c.model_id.in_(model_ids)).order_by(_table.c.key)):
        base = metric_of(row)
        one = Metric(
            key=base.key,
            value=base.value,
            at=base.at,
            step=base.step,
            model_id=row.model_id,
            run_id=row.run_id,
            dataset_name=row.dataset_name,
            dataset_digest=row.dataset_digest,
        )
        found.setdefault(row.model_id, []).append(one)
    return {model_id: tuple(some) for model_id, some in found.items()}


def _rank(one: Metric) -> tuple[int, int]:
    return one.step, one.at
