"""Jobs: cycles that were asked for, their progress and results."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from fastapi import APIRouter, Query

from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
_LOOK = 0.02


@router.get("")
def list_jobs(
    parts: Parts, task: str | None = None, limit: int = Query(default=100, ge=1, le=10_000)
) -> list[dict[str, Any]]:
    """Jobs, newest first."""
    if task is not None:
        parts.registry.tasks.get(task)
    return [msgspec.to_builtins(job) for job in parts.registry.jobs.list(task, limit=limit)]


@router.get("/{job}")
def get_job(
    job: str, parts: Parts, wait: float = Query(default=0.0, ge=0, le=30, description="Seconds to wait for its end.")
) -> dict[str, Any]:
    """A job: status, progress, result or error."""
    deadline = time.monotonic() + wait
    found = parts.registry.jobs.get(job)
    while found.status in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(_LOOK)
        found = parts.registry.jobs.get(job)
    return {**msgspec.to_builtins(found), "generation": parts.registry.aliases.generation()}


@router.post("/{job}/cancel")
def cancel_job(job: str, parts: Parts) -> dict[str, Any]:
    """Cancel a job: a queued one at once, a running one as soon as its training can be stopped."""
    return dict(msgspec.to_builtins(parts.registry.jobs.cancel(job, parts.real.now())))
