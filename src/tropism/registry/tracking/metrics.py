"""Metrics of runs: a history that only grows, and beside it the latest value of each."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, or_, select

from tropism.registry.tracking.rows import insert_new, insertion
from tropism.registry.tracking.run_rows import require_run
from tropism.storage.tables.tracking_schema import tracking_latest, tracking_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a metric, NaN and infinities included. `at` in µs.

    `model_id`: the logged model that it is about, if any, with the data set that it was measured on.
    """

    key: str
    value: float
    at: int
    step: int = 0
    model_id: str = ""
    run_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Metrics:
    """Reads histories."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def history(self, run_id: str, key: str, *, limit: int, start: int = 0) -> tuple[Metric, ...]:
        """Up to `limit` values of a metric from the `start`-th on, in the order of their times, then their steps.

        Raises:
            NotFound: there is no such run.
        """
        table = tracking_metrics
        query = select(table).where(table.c.run_id == run_id, table.c.key == key)
        query = query.order_by(table.c.at, table.c.step, table.c.bits).limit(limit).offset(start)
        with self._db.read() as connection:
            require_run(connection, run_id)
            return tuple(metric_of(row) for row in connection.execute(query))

    def histories(self, run_id: str, *, limit: int) -> dict[str, tuple[Metric, ...]]:
        """The first `limit` values of each metric of a run, by key, ordered as in `history`, by one query.

        Raises:
            NotFound: there is no such run.
        """
        table = tracking_metrics
        place = func.row_number().over(partition_by=table.c.key, order_by=(table.c.at, table.c.step, table.c.bits))
        rows = select(table, place.label("place")).where(table.c.run_id == run_id).subquery()
        query = select(rows).where(rows.c.place <= limit).order_by(rows.c.key, rows.c.place)
        found: dict[str, list[Metric]] = {}
        with self._db.read() as connection:
            require_run(connection, run_id)
            for row in connection.execute(query):
                found.setdefault(row.key, []).append(metric_of(row))
        return {key: tuple(values) for key, values in found.items()}


def write_metrics(connection: Connection, run_id: str, metrics: Sequence[Metric]) -> None:
    """Adds values to histories; one that is there already is not added again, so that a retry is safe."""
    if not metrics:
        return
    rows = [{"run_id": run_id, "bits": _bits(one.value), **_values(one)} for one in metrics]
    insert_new(connection, tracking_metrics, rows)
    latest: dict[str, Metric] = {}
    for one in metrics:
        held = latest.get(one.key)
        if held is None or _rank(one) >= _rank(held):
            latest[one.key] = one
    # Sorted, so that two batches of one run on PostgreSQL wait for one another, and never crosswise.
    _raise_latest(connection, [{"run_id": run_id, **_values(latest[key])} for key in sorted(latest)])


def metric_of(row: Row[Any]) -> Metric:
    """The metric that a row with its columns holds."""
    return Metric(key=row.key, value=math.nan if row.value is None else row.value, at=row.at, step=row.step)


def _raise_latest(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """The greatest step is the latest; among equal ones, the greatest time."""
    table, statement = tracking_latest, insertion(connection, tracking_latest)
    new = statement.excluded
    newer = or_(new.step > table.c.step, (new.step == table.c.step) & (new.at >= table.c.at))
    values = {"value": new.value, "at": new.at, "step": new.step}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values, where=newer), list(rows)
    )


def _rank(one: Metric) -> tuple[int, int]:
    return one.step, one.at


def _values(one: Metric) -> dict[str, Any]:
    return {"key": one.key, "value": None if math.isnan(one.value) else one.value, "at": one.at, "step": one.step}


def _bits(value: float) -> int:
    """The bits of a double as a signed whole number; all NaNs alike.

    >>> _bits(0.0), _bits(1.0) != _bits(2.0)
    (0, True)
    """
    bits: int = struct.unpack("<q", struct.pack("<d", math.nan if math.isnan(value) else value))[0]
    return bits
