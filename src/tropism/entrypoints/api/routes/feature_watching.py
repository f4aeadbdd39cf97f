"""Watching features: skew between serving and history, statistics by day."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query

from tropism.core.durations import parse_duration
from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/api/v1/ml/features", tags=["features"])


@router.get("/skew")
def get_skew(
    parts: Parts,
    task: Annotated[str, Query(description="The task whose predictions are looked at.")],
    rows: Annotated[int, Query(ge=1, le=50_000, description="The newest predictions, at most.")] = 10_000,
    since: Annotated[str, Query(description="Those made so long ago at most, such as `7d`.")] = "7d",
) -> dict[str, Any]:
    """Features of the newest predictions computed again from the history: mismatches with what was served."""
    from tropism.entrypoints.feature_watching import served_skew

    found = served_skew(parts, task, parts.clock.now() - parse_duration(since, "since"), rows)
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain | {"mismatches": found.mismatches}


@router.get("/{id}/statistics")
def get_statistics(
    feature: Annotated[str, Path(alias="id", description="A view, such as `spend`, or one feature.")],
    parts: Parts,
    days: Annotated[int, Query(ge=1, le=365, description="The last days, UTC, with today.")] = 7,
    task: Annotated[str | None, Query(description="What this task was served only; otherwise every task.")] = None,
) -> list[dict[str, Any]]:
    """Statistics of features by day, and their drift against what champions were trained on."""
    from tropism.entrypoints.feature_watching import feature_statistics
    from tropism.featurestore.statistics import plain

    return [plain(one) for one in feature_statistics(parts, [feature], days, task)]
