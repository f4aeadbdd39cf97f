"""The predictions of a part as the journal's events."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from tropism.core.events import Prediction, encode
from tropism.core.identity import compose, task_tag
from tropism.entrypoints.scoring.plan import VARIANT

if TYPE_CHECKING:
    from tropism.entrypoints.scoring.plan import Plan
    from tropism.entrypoints.scoring.rows import Rows
    from tropism.learners.base import Floats, Times

_BATCH = 1_000
"""Events in a record."""
_RANDOM_BITS = 58


class Recorded(NamedTuple):
    """The id of each prediction, and all of them as records for the journal."""

    ids: list[str] | None = None
    records: tuple[bytes, ...] = ()


def records_of(plan: Plan, rows: Rows, scores: Floats, at: Times) -> Recorded:
    """Predictions as they are to be recorded.

    A row's id is the one that it came with, or follows from the job and the row's number: a part that is scored
    again, because its run was cut short, gives equal events, and equal ids count once.
    """
    ids = _ids(plan, rows, at)
    names = plan.task.feature_names
    columns = zip(
        ids,
        at.tolist(),
        rows.table.select(names).to_pylist(),
        map(tuple, scores.tolist()),
        _texts(rows.table, "entity", plan),
        _texts(rows.table, "unit", plan),
        strict=True,
    )
    events = [
        Prediction(
            id=made,
            task=plan.task.name,
            at=moment,
            features=features,
            scores=told,
            version=plan.version,
            variant=VARIANT,
            entity=entity,
            unit=unit,
        )
        for made, moment, features, told, entity, unit in columns
    ]
    return Recorded(ids, tuple(encode(events[start : start + _BATCH]) for start in range(0, len(events), _BATCH)))


def _ids(plan: Plan, rows: Rows, at: Times) -> list[str]:
    digest = hashlib.blake2b(plan.id.encode(), digest_size=8).digest()
    base, tag = int.from_bytes(digest, "big"), task_tag(plan.task.name)
    numbers, moments = rows.numbers.tolist(), at.tolist()
    # Counted up within a job, so that its ids differ from one another, however many there are.
    made = [
        compose(max(moment, 0) // 1_000, (base + number) % (1 << _RANDOM_BITS), tag)
        for number, moment in zip(numbers, moments, strict=True)
    ]
    if "prediction_id" not in plan.layout.carried:
        return made
    given = rows.table.column("prediction_id").to_pylist()
    return [own or other for own, other in zip(given, made, strict=True)]


def _texts(table: pa.Table, name: str, plan: Plan) -> list[str | None]:
    if name not in plan.layout.carried:
        return [None] * table.num_rows
    values: list[str | None] = table.column(name).to_pylist()
    return values
