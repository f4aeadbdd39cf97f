"""Runs: what trainings logged, and how several compare."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query

from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.tracking import finding
from tropism.entrypoints.tracking.comparing import compare_runs as compared

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Id = Annotated[str, Path(description="A run's id, the beginning of it, or its name.", examples=["3f2a91bc"])]
TaskName = Annotated[str | None, Query(description="Only trainings of this task.", examples=["fraud"])]
Name = Annotated[str | None, Query(description="Only runs of this experiment.", examples=["tropism/fraud"])]
Limit = Annotated[int, Query(ge=1, le=1_000, description="How many, newest first.")]
Ids = Annotated[str, Query(description="2 to 100 runs with commas between.", examples=["3f2a91bc,91bc3f2a"])]
Metrics = Annotated[list[str] | None, Query(description="Compare these; the first one decides.", examples=[["auc"]])]
Better = Annotated[Literal["more", "less"] | None, Query(description="Whether more or less of the first is better.")]


@router.get("")
def list_runs(parts: Parts, task: TaskName = None, experiment: Name = None, limit: Limit = 50) -> list[dict[str, Any]]:
    """Runs, the last started first, with what they logged."""
    if task is not None:
        parts.registry.tasks.get(task)
    found = finding.list_runs(parts.tracking, parts.clock.now(), experiment=experiment, task=task, limit=limit)
    return [msgspec.to_builtins(run) for run in found]


@router.get("/compare")
def compare_runs(parts: Parts, ids: Ids, metric: Metrics = None, better: Better = None) -> dict[str, Any]:
    """Figures, parameters that differ, correlations, tests on equal rows, and which run to take."""
    wanted = [part for one in ids.split(",") if (part := one.strip())]
    found = compared(parts.tracking, wanted, parts.clock.now(), metrics=metric or (), better=better)
    return dict(msgspec.to_builtins(found))


@router.get("/{run}")
def get_run(run: Id, parts: Parts) -> dict[str, Any]:
    """One run: parameters, metrics and their values by step, tags, and the paths of its files."""
    return finding.told(parts.tracking, finding.find_run(parts.tracking, run, parts.clock.now()))
