"""Lineage: what something came of, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query

from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/api/v1/ml/lineage", tags=["lineage"])
Kind = Literal["source", "view", "on-demand", "lake", "training-set", "model", "prediction"]


@router.get("/{kind}/{id:path}")
def get_lineage(
    kind: Kind,
    name: Annotated[str, Path(alias="id", description="Such as `spend@2`, `fraud/3` or a prediction's id.")],
    parts: Parts,
    direction: Literal["up", "down", "both"] = "both",
    format_: Annotated[
        Literal["json", "openlineage"], Query(alias="format", description="OpenLineage: a list of run events.")
    ] = "json",
    namespace: Annotated[
        str | None, Query(min_length=1, max_length=1024, description="Of the OpenLineage jobs and data sets.")
    ] = None,
) -> Any:
    """Nodes and edges from sources over views, training sets and models to predictions, or as OpenLineage events."""
    from tropism.entrypoints.lineage import lineage, lineage_events

    found = lineage(parts, kind, name, direction)
    if format_ == "openlineage":
        return list(lineage_events(parts, found, namespace))
    return msgspec.to_builtins(found)
