"""What `tropism features show` and the HTTP interface say of a definition of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from tropism.core.errors import NotFound, UnknownVersion
from tropism.features import FeatureView, Field, StreamSource
from tropism.features.types import dtype
from tropism.registry.feature_plan import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features import Aggregation
    from tropism.registry import Features, Registered
    from tropism.registry.feature_plan import Kind


KINDS = ("view", "on-demand", "stream", "entity")
"""In the order in which a name is looked for."""


def find_definition(registry: Features, name: str, version: int | None, kinds: Sequence[str]) -> Registered:
    """Of the first kind that has the name; the error of the first where none has."""
    missing: NotFound | None = None
    for kind in kinds:
        try:
            return registry.find(cast("Kind", kind), name, version)
        except UnknownVersion:
            raise
        except NotFound as error:
            missing = missing or error
    assert missing is not None
    raise missing


def lineage_node(one: Registered) -> tuple[str, str]:
    """What a definition is called in lineage."""
    return ("source", f"stream:{one.name}") if one.kind == "stream" else (one.kind, f"{one.name}@{one.version}")


def plain_definition(one: Registered) -> dict[str, Any]:
    """Ready for JSON, without passwords."""
    found: dict[str, Any] = masked(msgspec.to_builtins(one))
    return found


def described(registry: Features, one: Registered) -> dict[str, Any]:
    """A definition with its features, its versions and its lineage, ready for JSON."""
    up, down = (registry.lineage(*lineage_node(one), direction) for direction in ("up", "down"))
    lineage = {"from": msgspec.to_builtins(up), "to": msgspec.to_builtins(down)}
    same = (other for other in registry.every() if (other.kind, other.name) == (one.kind, one.name))
    versions = [{"version": other.version, "state": other.state, "created_at": other.created_at} for other in same]
    features = features_of(one.kind, one.spec)
    return plain_definition(one) | {"features": features, "versions": versions, "lineage": lineage}


def features_of(kind: str, spec: dict[str, Any]) -> list[dict[str, str]]:
    """Name, type and origin of each feature of a view."""
    if kind != "view":
        return []
    view = msgspec.convert(spec, FeatureView)
    return [
        {"name": f"{view.name}.{field.name}", "type": _type(view, field), "from": _origin(field)}
        for field in view.fields
    ]


def _type(view: FeatureView, field: Field | Aggregation) -> str:
    """The type of a column of another source than a stream is known only when it is read."""
    if isinstance(field, Field):
        return str(field.type)
    if field.function not in ("sum", "min", "max", "last"):
        return field.result(dtype("number")).kind
    return str(view.source.schema[field.column]) if isinstance(view.source, StreamSource) else "as the column"


def _origin(field: Field | Aggregation) -> str:
    if isinstance(field, Field):
        return f"column {field.column}"
    of = f" of {field.column}" if field.column else ""
    return f"{field.function}{of} over {field.window}, by {field.hop}"
