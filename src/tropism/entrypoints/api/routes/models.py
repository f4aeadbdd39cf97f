"""Models and their versions: reading, comparing, promoting, rolling back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/v1/models", tags=["models"])
_identifiers = Identifiers()


class PromotionOrder(BaseModel, extra="forbid"):
    """A promotion by a person. `expected`: the champion that it is based on; left out, whoever is champion."""

    version: int = Field(ge=1, description="The version to make champion.")
    expected: int | None = Field(default=None, description="The champion the decision is based on.")
    actor: str = Field(default="http", min_length=1, description="Who does it; goes into the audit trail.")
    force: bool = Field(default=False, description="Although the policy asks for an approval. Recorded.")


class RollbackOrder(BaseModel, extra="forbid"):
    """A rollback by a person."""

    actor: str = Field(default="http", min_length=1, description="Who does it; goes into the audit trail.")


@router.get("")
def list_models(parts: Parts) -> list[dict[str, Any]]:
    """Every model: its aliases and how many versions it has."""
    live = {one.model: one for one in parts.registry.aliases.snapshot()}
    counts: dict[str, int] = {}
    for version in parts.registry.versions.list():
        counts[version.model] = counts.get(version.model, 0) + 1
    names = sorted({*counts, *(task.name for task in parts.registry.tasks.all())})
    return [
        {
            "name": name,
            "versions": counts.get(name, 0),
            "champion": live[name].champion if name in live else None,
            "previous": live[name].previous if name in live else None,
        }
        for name in names
    ]


@router.get("/{name}")
def get_model(name: str, parts: Parts) -> dict[str, Any]:
    """A model's aliases and versions."""
    parts.registry.tasks.get(name)
    versions = [msgspec.to_builtins(version) for version in parts.registry.versions.list(name)]
    return {"name": name, "aliases": parts.registry.aliases.all(name), "versions": versions}


@router.get("/{name}/versions/{version}")
def get_version(name: str, version: int, parts: Parts) -> dict[str, Any]:
    """One version: metrics beside their baselines, training data, signature, environment, artifact."""
    return dict(msgspec.to_builtins(parts.registry.versions.get(name, version)))


@router.get("/{name}/compare")
def compare_versions(name: str, a: int, b: int, parts: Parts) -> dict[str, Any]:
    """What differs between two versions."""
    return dict(msgspec.to_builtins(parts.registry.versions.compare(name, a, b)))


@router.post("/{name}/promote")
def promote(name: str, order: PromotionOrder, parts: Parts) -> dict[str, Any]:
    """Make a version the champion. Refused if the champion moved, or the policy wants an approval."""
    from tropism.entrypoints.moving import promote_by_hand

    moved = promote_by_hand(parts, name, order.version, order.actor, force=order.force, expected=order.expected)
    return dict(msgspec.to_builtins(moved))


@router.post("/{name}/rollback")
def rollback(
    name: str, order: Annotated[RollbackOrder, Body(default_factory=RollbackOrder)], parts: Parts
) -> dict[str, Any]:
    """Bring the former champion back."""
    now = parts.clock.now()
    decision = _identifiers.new(now, task_tag(name))
    evidence = {"comparison": "none", "reason": f"rolled back by {order.actor}"}
    moved = parts.registry.promotion.rollback(name, actor=order.actor, decision_id=decision, now=now, evidence=evidence)
    return dict(msgspec.to_builtins(moved))
