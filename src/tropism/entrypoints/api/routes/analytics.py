"""What tasks were used for, and what that cost."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.api.routes.spans import Since, past

router = APIRouter(prefix="/api/v1/ml/analytics", tags=["analytics"])
AnyTask = Annotated[str | None, Query(description="The task; every one, if left out.", examples=["fraud"])]


@router.get("/usage")
def get_usage(parts: Parts, task: AnyTask = None, since: Since = None) -> dict[str, Any]:
    """Predictions by version, requests, errors, outcomes and processor time of each task, in all and by day."""
    from tropism.loop.viewing.usage import usage_of

    return dict(msgspec.to_builtins(usage_of(parts.sources, task, since=past(parts, since)), str_keys=True))


@router.get("/costs")
def get_costs(parts: Parts, task: AnyTask = None, since: Since = None) -> dict[str, Any]:
    """What each task cost by the project's prices: for predictions, processors and GPUs, in all and by day."""
    from tropism.loop.viewing.usage import costs_of

    return dict(msgspec.to_builtins(costs_of(parts.sources, task, since=past(parts, since))))
