"""Drift of a task's features and predictions: what the monitors found, and a look at all features together."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query

from tropism.core.errors import Fault, NotReady
from tropism.entrypoints.api.routes.monitoring import TaskName
from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.api.routes.spans import Since, past

router = APIRouter(prefix="/api/v1/ml/monitoring", tags=["monitoring"])
_comparing = threading.Lock()
_PATIENCE = 30.0


@router.get("/drift")
def get_drift(
    parts: Parts,
    task: TaskName,
    since: Since = None,
    method: Annotated[
        Literal["adversarial", "reconstruction"] | None,
        Query(description="Compare all features together as well: a classifier that tells rows apart, or errors of "
              "reconstruction. Takes seconds."),
    ] = None,
    rows: Annotated[int, Query(ge=100, le=50_000, description="Rows of each side that `method` looks at.")] = 10_000,
) -> dict[str, Any]:  # fmt: skip
    """Whether features and predictions drift, since when, because of which columns, and by how much."""
    from tropism.loop.viewing.drift import drift

    moment = past(parts, since)
    told = dict(msgspec.to_builtins(drift(parts.sources, task, since=moment)))
    return told | {"joint": None if method is None else _joint(parts, task, method, moment, rows)}


def _joint(
    parts: Parts, task: str, method: Literal["adversarial", "reconstruction"], since: int | None, rows: int
) -> Any:
    """One at a time: each takes a core for seconds."""
    from tropism.loop.viewing.compare import compare

    if not _comparing.acquire(timeout=_PATIENCE):
        fault = Fault("query.method", method, "try again when the others are done")
        raise NotReady("others compare rows at the moment", fault)
    try:
        return msgspec.to_builtins(compare(parts.sources, task, method, since=since, rows=rows))
    finally:
        _comparing.release()
