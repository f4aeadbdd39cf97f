"""Which logged models a run made, and which it used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import select

from tropism.registry.tracking.checks import METRICS, require_few
from tropism.registry.tracking.logged_models import require_logged
from tropism.registry.tracking.rows import replace
from tropism.registry.tracking.run_rows import require_run
from tropism.storage.tables.tracking_schema import tracking_run_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Direction = Literal["input", "output"]
_table = tracking_run_models


class RunModel(msgspec.Struct, frozen=True, kw_only=True):
    """A logged model of a run; `step`: of its training, for what it made."""

    model_id: str
    direction: Direction
    step: int = 0


class RunModels:
    """Notes and lists logged models of runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, run_id: str, models: Sequence[RunModel]) -> None:
        """Notes models; the same again sets its step.

        Raises:
            NotFound: there is no such run, or no such model.
            InvalidInput: the run is deleted, or there are too many.
        """
        require_few(models, METRICS, "models")
        with self._db.begin() as connection:
            require_run(connection, run_id, active=True)
            for one in models:
                require_logged(connection, one.model_id)
            rows = {(one.direction, one.model_id): {"run_id": run_id, **msgspec.structs.asdict(one)} for one in models}
            replace(connection, _table, list(rows.values()))

    def of(self, run_ids: Sequence[str]) -> dict[str, tuple[RunModel, ...]]:
        """The models of runs, by run."""
        with self._db.read() as connection:
            return models_of(connection, run_ids)


def models_of(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[RunModel, ...]]:
    """The models of runs, by run; none of a run that has none."""
    found: dict[str, list[RunModel]] = {}
    query = select(_table).where(_table.c.run_id.in_(run_ids)).order_by(_table.c.step, _table.c.model_id)
    for row in connection.execute(query):
        found.setdefault(row.run_id, []).append(RunModel(model_id=row.model_id, direction=row.direction, step=row.step))
    return {run_id: tuple(models) for run_id, models in found.items()}
