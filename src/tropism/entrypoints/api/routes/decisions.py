"""Decisions and their evidence."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Query

from tropism.entrypoints.api.routes.parts import Parts
from tropism.registry.decisions import Kind

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])


@router.get("")
def list_decisions(
    parts: Parts,
    model: str | None = None,
    kind: Kind | None = None,
    limit: int = Query(default=100, ge=1, le=100_000, description="How many, newest first."),
) -> list[dict[str, Any]]:
    """Decisions, newest first."""
    if model is not None:
        parts.registry.tasks.get(model)
    found = parts.registry.decisions.list(model, limit, kind)
    return [msgspec.to_builtins(decision) for decision in found]


@router.get("/{decision}")
def get_decision(decision: str, parts: Parts, recompute: bool = False) -> dict[str, Any]:
    """A decision; with `recompute=true` its evidence found again from the lake, and whether it agrees."""
    found = parts.registry.decisions.get(decision)
    reply = dict(msgspec.to_builtins(found))
    if recompute:
        from tropism.loop.recompute import recompute as again

        reply["recomputed"] = msgspec.to_builtins(again(parts.services(), found))
    return reply
