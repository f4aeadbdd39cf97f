"""How a task's model does: performance over time, drift, data quality."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/v1/tasks", tags=["monitoring"])


@router.get("/{task}/monitoring")
def monitoring(
    task: str, parts: Parts, bins: int = Query(default=20, ge=1, le=500, description="Windows of equal length.")
) -> dict[str, Any]:
    """Matured loss in windows beside the baseline, decay, drift of each feature, data quality."""
    from tropism.entrypoints.monitored import monitored

    return monitored(parts, task, bins)
