"""The runs that trainings left, found from what the trainings made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from tropism.storage.tables.tracking_schema import tracking_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tropism.registry.versions import ModelVersion
    from tropism.storage.tables import Database

_BATCH = 500


def run_id_of(job: str) -> str:
    """The id of a job's run: the same job has the same run.

    >>> run_id_of("a") == run_id_of("a"), len(run_id_of("a"))
    (True, 32)
    """
    return hashlib.blake2b(f"training:{job}".encode(), digest_size=16).hexdigest()


def training_runs(db: Database, made: Iterable[ModelVersion]) -> dict[int, str]:
    """The ids of the runs that versions of one model came of, by version. A version without a run, as one that was
    imported, and one whose run was deleted, is not among them."""
    wanted = {run_id_of(one.job_id): one.version for one in made if one.job_id}
    ids = list(wanted)
    found: dict[int, str] = {}
    with db.read() as connection:
        for start in range(0, len(ids), _BATCH):
            chosen = tracking_runs.c.id.in_(ids[start : start + _BATCH]), tracking_runs.c.lifecycle == "active"
            found |= {wanted[one]: one for one in connection.scalars(select(tracking_runs.c.id).where(*chosen))}
    return found


def training_run(db: Database, made: ModelVersion) -> str:
    """The id of the run that a version came of; "" where there is none."""
    return training_runs(db, [made]).get(made.version, "")
