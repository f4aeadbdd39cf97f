"""The health report of a model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/v1/models", tags=["models"])
_HTML = {"text/html": {"schema": {"type": "string"}}}


@router.get("/{name}/health", responses={200: {"content": _HTML}})
def get_health(
    name: str,
    parts: Parts,
    days: Annotated[int, Query(ge=1, le=365, description="The last days.")] = 7,
    format_: Annotated[
        Literal["json", "html"], Query(alias="format", description="`html`: a page with charts, fit to be printed.")
    ] = "json",
) -> Any:
    """How the champion does: a score with its parts, the figures they rest on, and one recommendation."""
    from tropism.loop.viewing.health import health
    from tropism.monitoring.health import page, to_json

    report = health(parts.sources, name, days=days)
    if format_ == "html":
        return Response(page(report), media_type="text/html; charset=utf-8")
    return Response(to_json(report), media_type="application/json")
