"""Experiments: declared, started, stopped, and asked whom they give what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, Field

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown
from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.experimenting import assignment, read_experiment, told, units_so_far

router = APIRouter(prefix="/v1/experiments", tags=["experiments"])
Name = Annotated[str, Path(description="The experiment's name.", examples=["two-trees"])]
TaskName = Annotated[str | None, Query(description="Only those of this task.", examples=["fraud"])]
Status = Annotated[Literal["draft", "running", "ended"] | None, Query(description="Only these.")]
_SPEC = Body(
    description="The experiment; `name` may be left out.",
    examples=[{"task": "fraud", "mode": "canary", "variants": [{"name": "now"}, {"name": "new", "version": 7}]}],
)


class Start(BaseModel, extra="forbid"):
    """Lets an experiment's first step in."""

    actor: str = Field(default="http", min_length=1, description="Who asks; goes into the audit trail.")


class Stop(BaseModel, extra="forbid"):
    """Ends an experiment before it is decided."""

    reason: str = Field(default="", max_length=2_000, description="Why; others see it.", examples=["it was cancelled"])
    actor: str = Field(default="http", min_length=1, description="Who asks; goes into the audit trail.")


class Unit(BaseModel, extra="forbid"):
    """For whom a variant is asked."""

    unit: str = Field(min_length=1, description="What requests name as the experiment's unit.", examples=["user-7"])
    attributes: dict[str, Any] = Field(
        default={}, description="What targeting asks for: features by name.", examples=[{"country": "DE"}]
    )


@router.get("")
def list_experiments(parts: Parts, task: TaskName = None, status: Status = None) -> list[dict[str, Any]]:
    """Experiments, newest first: what they are, how far, and how they ended."""
    if task is not None:
        parts.registry.tasks.get(task)
    return [told(trial) for trial in parts.registry.experiments.all(task, status)]


@router.get("/{name}")
def get_experiment(name: Name, parts: Parts) -> dict[str, Any]:
    """One experiment, and `units`: how many of each variant were answered so far."""
    trial = parts.registry.experiments.get(name)
    return {**told(trial), "units": units_so_far(parts, trial)}


@router.put("/{name}")
def put_experiment(
    name: Name,
    spec: Annotated[dict[str, Any], _SPEC],
    parts: Parts,
    actor: Annotated[str, Query(min_length=1, description="Who asks; goes into the audit trail.")] = "http",
) -> dict[str, Any]:
    """Declare an experiment, or change one that has not started. The same again changes nothing."""
    made = read_experiment({"name": name, **spec})
    if made.name != name:
        raise InvalidInput("two names are given", Fault("body.name", shown(made.name), f"write {shown(name)}, or none"))
    return told(parts.registry.experiments.put(made, actor=actor, now=parts.clock.now()))


@router.post("/{name}/start")
def start_experiment(name: Name, order: Annotated[Start, Body(default_factory=Start)], parts: Parts) -> dict[str, Any]:
    """Let the first step in. One that runs already goes on as it is."""
    return told(parts.registry.experiments.start(name, actor=order.actor, now=parts.clock.now()))


@router.post("/{name}/stop")
def stop_experiment(name: Name, order: Annotated[Stop, Body(default_factory=Stop)], parts: Parts) -> dict[str, Any]:
    """End it: from now on the champion answers everybody. One that was stopped already stays so."""
    now = parts.clock.now()
    return told(parts.registry.experiments.end(name, "stopped", actor=order.actor, now=now, reason=order.reason))


@router.post("/{name}/assign")
def assign_unit(name: Name, asked: Unit, parts: Parts) -> dict[str, Any]:
    """Which variant a unit gets, and why. Nothing is recorded."""
    return dict(msgspec.to_builtins(assignment(parts, name, asked.unit, asked.attributes)))
