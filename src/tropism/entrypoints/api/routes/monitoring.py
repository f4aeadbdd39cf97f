"""How a task's model does: performance over time, estimates before labels, segments, data quality, service."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.api.routes.spans import Since, past

router = APIRouter(tags=["monitoring"])
_PATH = "/api/v1/ml/monitoring"
TaskName = Annotated[str, Query(description="The task.", examples=["fraud"])]
Bins = Annotated[int, Query(ge=1, le=500, description="Windows of equal length.")]


@router.get("/v1/tasks/{task}/monitoring")
def monitoring(task: str, parts: Parts, bins: Bins = 20) -> dict[str, Any]:
    """Performance in windows beside the baseline, decay, drift, data quality and open alerts, all in one."""
    from tropism.entrypoints.monitored import monitored

    return monitored(parts, task, bins)


@router.get(f"{_PATH}/performance")
def get_performance(parts: Parts, task: TaskName, since: Since = None, bins: Bins = 20) -> dict[str, Any]:
    """Matured predictions in windows of time and by version, beside the baseline, with 95% intervals; and decay."""
    from tropism.loop.viewing.performance import performance

    return dict(msgspec.to_builtins(performance(parts.sources, task, since=past(parts, since), bins=bins)))


@router.get(f"{_PATH}/estimated")
def get_estimated(parts: Parts, task: TaskName, since: Since = None, bins: Bins = 20) -> dict[str, Any]:
    """Performance of what the champion served, estimated before the labels come, with the uncertainty of that."""
    from tropism.loop.viewing.estimates import estimated

    return dict(msgspec.to_builtins(estimated(parts.sources, task, since=past(parts, since), bins=bins)))


@router.get(f"{_PATH}/segments")
def get_segments(
    parts: Parts,
    task: TaskName,
    since: Since = None,
    top: Annotated[int, Query(ge=1, le=50, description="Most segments to list.")] = 5,
) -> dict[str, Any]:
    """Segments whose loss is surely above that of all other rows, corrected for having looked at many."""
    from tropism.loop.viewing.segments import worst_segments

    return dict(msgspec.to_builtins(worst_segments(parts.sources, task, since=past(parts, since), top=top)))


@router.get(f"{_PATH}/quality")
def get_quality(
    parts: Parts,
    task: TaskName,
    since: Since = None,
    rows: Annotated[int, Query(ge=1, le=100_000, description="The newest rows served, at most.")] = 1_000,
) -> dict[str, Any]:
    """What is missing, unseen, out of range or of another type in the newest rows, beside what is usual."""
    from tropism.loop.viewing.quality import quality_of

    return dict(msgspec.to_builtins(quality_of(parts.sources, task, since=past(parts, since), rows=rows)))


@router.get(f"{_PATH}/service")
def get_service(
    parts: Parts,
    task: Annotated[str | None, Query(description="The task; every one, if left out.")] = None,
    since: Since = None,
    bins: Bins = 24,
) -> dict[str, Any]:
    """Latency, throughput and errors of tasks, and what processes used: in all and in parts of the time."""
    from tropism.loop.viewing.service import service_of

    return dict(msgspec.to_builtins(service_of(parts.sources, task, since=past(parts, since), bins=bins)))
