"""Data sets that runs read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from tropism.registry.tracking.checks import NAME, require_at_most, require_length
from tropism.registry.tracking.rows import replace
from tropism.storage.tables.tracking_schema import tracking_inputs, tracking_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database

CONTEXT = "mlflow.data.context"
_LENGTHS = {"source_type": NAME, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}
_table = tracking_inputs


class DatasetInput(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that a run read. The tag `mlflow.data.context` says what for."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = {}


class DatasetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that runs of an experiment read."""

    experiment_id: str
    name: str
    digest: str
    context: str | None


class Inputs:
    """Lists data sets."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def summaries(self, experiment_ids: Sequence[str], limit: int = 1_000) -> tuple[DatasetSummary, ...]:
        """The data sets that runs of experiments read, each once for each context."""
        query = select(tracking_runs.c.experiment_id, _table.c.name, _table.c.digest, _table.c.context).distinct()
        query = query.join(tracking_runs, tracking_runs.c.id == _table.c.run_id)
        query = query.where(tracking_runs.c.experiment_id.in_(experiment_ids), tracking_runs.c.lifecycle == "active")
        query = query.order_by(tracking_runs.c.experiment_id, _table.c.name, _table.c.digest).limit(limit)
        with self._db.read() as connection:
            return tuple(DatasetSummary(**row._mapping) for row in connection.execute(query))


def write_inputs(connection: Connection, run_id: str, inputs: Sequence[DatasetInput]) -> None:
    """Stores the data sets that a run, which is there, read. Raises: InvalidInput: something is too long."""
    rows = {}
    for index, one in enumerate(inputs):
        _check(one, f"datasets[{index}]")
        values = {**msgspec.structs.asdict(one), "run_id": run_id, "context": one.tags.get(CONTEXT)}
        rows[one.name, one.digest] = values
    replace(connection, _table, list(rows.values()))


def inputs_of(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[DatasetInput, ...]]:
    """What runs read, by run."""
    found: dict[str, list[DatasetInput]] = {}
    query = select(_table).where(_table.c.run_id.in_(run_ids)).order_by(_table.c.name, _table.c.digest)
    for row in connection.execute(query):
        found.setdefault(row.run_id, []).append(_input(row))
    return {run_id: tuple(inputs) for run_id, inputs in found.items()}


def _input(row: Row[Any]) -> DatasetInput:
    return DatasetInput(**{name: getattr(row, name) for name in DatasetInput.__struct_fields__})


def _check(one: DatasetInput, where: str) -> None:
    require_length(one.name, NAME, f"{where}.dataset.name")
    require_length(one.digest, 36, f"{where}.dataset.digest")
    for field, most in _LENGTHS.items():
        require_at_most(getattr(one, field) or "", most, f"{where}.dataset.{field}")
    for key, value in one.tags.items():
        require_length(key, 255, f"{where}.tags.key")
        require_at_most(value, 500, f"{where}.tags: {key}")
