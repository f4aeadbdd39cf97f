"""Features: those that are served, their definitions, and their values now and then."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from tropism.core.clock import from_datetime, iso
from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.api.routes.parts import Parts

router = APIRouter(prefix="/api/v1/ml/features", tags=["features"])


@router.get("")
def list_features(
    parts: Parts,
    entity: Annotated[str | None, Query(description="Only those of this entity.")] = None,
    view: Annotated[str | None, Query(description="Only those of this view.")] = None,
    tag: Annotated[str | None, Query(description="Only those with this tag: its name, or `name=value`.")] = None,
) -> list[dict[str, Any]]:
    """Every feature that is served: what it is made of, which tasks use it, and how far it has come."""
    from tropism.entrypoints.listed_features import chosen, listed_features

    return chosen(listed_features(parts), entity, view, tag)


@router.get("/{id}")
def get_feature(
    name: Annotated[str, Path(alias="id", description="Such as `spend`, `spend@1` or `spend.count_7d`.")], parts: Parts
) -> dict[str, Any]:
    """The definition of a view or a feature: its features, versions and lineage."""
    from tropism.entrypoints.listed_features import one_feature

    return one_feature(parts, name)


@router.get("/{id}/values")
def get_values(
    name: Annotated[str, Path(alias="id", description="A view, such as `spend`, or one of its features.")],
    parts: Parts,
    request: Request,
    at: Annotated[str | None, Query(description="A moment that is past, ISO 8601: what was known then.")] = None,
) -> dict[str, Any]:
    """Values of entities: a query parameter for each key, repeated for further entities."""
    from tropism.entrypoints.feature_values import entities, told_now, told_then, values_now, values_then

    reader = parts.features.reader([name])
    if name in reader.names and "." not in name:
        fix = "send a row with what it is computed from: POST /api/v1/ml/features/compute"
        raise InvalidInput(f"'{name}' is computed on demand", Fault("id", name[:80], fix))
    given = [pair for pair in request.query_params.multi_items() if pair[0] != "at"]
    keys = entities(given, reader.keys, parts.settings.http.max_rows, "query.")
    moment = None if at is None else _moment(at, parts.clock.now())
    if moment is None:
        return {"id": name, **told_now(reader.names, keys, values_now(parts, [name], keys, [{}] * len(keys)))}
    return {"id": name, **told_then(reader.names, keys, moment, values_then(parts, [name], keys, moment))}


def _moment(text: str, now: int) -> int:
    try:
        at = from_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        fault = Fault("query.at", text[:80], "send ISO 8601, such as 2026-01-31T12:00:00Z")
        raise InvalidInput("'at' is not a time", fault) from error
    if at > now:
        fault = Fault("query.at", text[:80], f"send a time up to now, which is {iso(now)}, or none")
        raise InvalidInput("'at' is in the future", fault)
    return at
