"""Tasks: what is declared, how it stands, and asking for a cycle of its loop."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from tropism.core.errors import Fault, InvalidInput
from tropism.core.identity import Identifiers, is_id, task_tag
from tropism.entrypoints.api.routes.parts import Parts
from tropism.registry import NewJob
from tropism.registry.audit import require_actor

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])
_identifiers = Identifiers()


class CycleOrder(BaseModel, extra="forbid"):
    """A cycle to run. `id`: a UUIDv7 of the caller's that makes asking again safe."""

    id: str | None = Field(default=None, description="UUIDv7 made by the caller; asking again with it is safe.")
    train: bool = Field(default=False, description="Train a challenger, whatever the triggers say.")
    actor: str = Field(default="http", min_length=1, description="Who asks; goes into the decision.")


@router.get("")
def list_tasks(parts: Parts) -> list[dict[str, Any]]:
    """Every task as it was applied."""
    return [msgspec.to_builtins(task) for task in parts.registry.tasks.all()]


@router.get("/{task}")
def get_task(task: str, parts: Parts) -> dict[str, Any]:
    """A task, its live versions, its open tests, and what came back of its predictions."""
    from tropism.entrypoints.standing import standing

    return {"task": msgspec.to_builtins(parts.registry.tasks.get(task)), **standing(parts, task)}


@router.post("/{task}/cycles", status_code=202)
def ask_for_cycle(
    task: str, order: Annotated[CycleOrder, Body(default_factory=CycleOrder)], parts: Parts
) -> dict[str, Any]:
    """Ask for a turn of the loop: observe, decide, train, gate, release. Follow it at `/v1/jobs/{id}`."""
    parts.registry.tasks.get(task)
    if order.id is not None and not is_id(order.id):
        raise InvalidInput("the id is not a UUIDv7", Fault("id", order.id[:80], "leave it out, or send a UUIDv7"))
    require_actor(order.actor)
    now = parts.real.now()
    key = order.id or _identifiers.new(now, task_tag(task))
    request = {"task": task, "asked": order.actor if order.train else None}
    job = parts.registry.jobs.submit(NewJob(id=key, task=task, kind="cycle", request=request), now=now)
    return {"id": job.id, "status": job.status}
