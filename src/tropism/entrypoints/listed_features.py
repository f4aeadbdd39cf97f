"""Every feature that is served: what it is made of, who uses it, how far it has come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tropism.core.clock import SECOND, iso
from tropism.core.errors import Fault, TropismError, UnknownFeature
from tropism.entrypoints.feature_definitions import KINDS, described, find_definition
from tropism.features import Field
from tropism.features.online.marks import marked
from tropism.features.store.definitions import StoredView
from tropism.features.store.reading import in_windows
from tropism.features.types import Decimal, Vector
from tropism.registry.feature_plan import masked, source_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tropism.features import Aggregation
    from tropism.features.types import Dtype
    from tropism.featurestore import FeatureStore
    from tropism.registry import Registered
    from tropism.wiring import Platform

_log = logging.getLogger(__name__)


def listed_features(platform: Platform) -> list[dict[str, Any]]:
    """A mapping for each feature of each live view and each on-demand feature, ready for JSON.

    `known` says up to when all that arrived is in the view, `lag` how many seconds ago that was; both are None where
    the view was never filled, or its store is away.
    """
    registered = [one for one in platform.registry.features.list() if one.state == "live"]
    views = {one.name: StoredView(one.view, f"{one.name}@{one.version}") for one in registered if one.kind == "view"}
    tasks = _tasks(platform)
    known = {} if not views else _known(platform.features, list(views.values()))
    now, found = platform.clock.now(), list[dict[str, Any]]()
    for one in registered:
        if one.kind == "view":
            found += _of_view(one, views[one.name], known.get(f"{one.name}@{one.version}", 0), now, tasks)
        elif one.kind == "on-demand":
            found.append(_on_demand(one, tasks))
    return found


def _of_view(
    one: Registered, stored: StoredView, known: int, now: int, tasks: dict[tuple[str, str], list[str]]
) -> list[dict[str, Any]]:
    view = stored.view
    source, name = source_id(one.spec["source"]).split(":", 1)
    of_all = {
        "kind": "view",
        "view": view.name,
        "version": one.version,
        "entity": {"name": view.entity.name, "keys": list(view.entity.keys)},
        "source": {"kind": source, "name": name},
        "ttl": view.ttl,
        "every": None if view.streamed else view.every,
        "owner": view.owner,
        "tags": masked(dict(view.tags)),
        "known": iso(known) if known else None,
        "lag": max(now - known, 0) / SECOND if known else None,
    }
    return [
        {
            "name": f"{view.name}.{field.name}",
            "type": _type_name(kind),
            **of_all,
            "window": _window(field),
            "description": getattr(field, "description", "") or view.description,
            "tasks": tasks.get((stored.stored, f"{view.name}.{field.name}"), []),
        }
        for field, kind in zip(view.fields, stored.dtypes, strict=True)
    ]


def _on_demand(one: Registered, tasks: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": one.spec["type"],
        "kind": "on-demand",
        "view": None,
        "version": one.version,
        **dict.fromkeys(("entity", "source", "ttl", "every")),
        "owner": "",
        "tags": {},
        "known": None,
        "lag": None,
        "window": None,
        "description": one.spec["description"],
        "tasks": tasks.get((one.name, one.name), []),
    }


def _window(field: Field | Aggregation) -> dict[str, Any] | None:
    if isinstance(field, Field):
        return None
    return {"function": field.function, "column": field.column or None, "length": field.window, "hop": field.hop}


def _type_name(kind: Dtype) -> str:
    if kind.kind == "decimal":
        return str(Decimal(kind.scale))
    return str(Vector(kind.size)) if kind.kind == "vector" else kind.kind


def _tasks(platform: Platform) -> dict[tuple[str, str], list[str]]:
    """The tasks that use each feature, by what it is stored under and its name."""
    found: dict[tuple[str, str], list[str]] = {}
    for task in platform.registry.tasks.all():
        for feature in task.features:
            if feature.view:
                found.setdefault((feature.view, feature.name), []).append(task.name)
    return found


def _known(store: FeatureStore, views: Sequence[StoredView]) -> dict[str, int]:
    """How far views have come, µs, by what they are stored under; those whose store is away are left out."""
    found: dict[str, int] = {}
    rows = [one.stored for one in views if not in_windows(one)]
    try:
        found.update({one.stored: store.windows.read(one.view, [], 0).known for one in views if in_windows(one)})
        if rows:
            found.update(zip(rows, marked(store.online, rows), strict=True))
    except TropismError as error:
        _log.error("it cannot be told how far features have come: %s", error)
    return found


def chosen(
    features: Iterable[dict[str, Any]], entity: str | None, view: str | None, tag: str | None
) -> list[dict[str, Any]]:
    """Those of an entity, of a view and with a tag, which may be its name, or `name=value`."""
    return [
        one
        for one in features
        if (entity is None or (one["entity"] is not None and one["entity"]["name"] == entity))
        and (view is None or one["view"] == view)
        and (tag is None or tag in one["tags"] or tag in (f"{name}={value}" for name, value in one["tags"].items()))
    ]


def one_feature(platform: Platform, name: str) -> dict[str, Any]:
    """A definition by what people call it: `spend`, `spend@2`, `spend.count_7d` or an on-demand feature.

    Raises:
        NotFound, UnknownVersion: there is none; says which there are.
        UnknownFeature: the view has no such feature.
    """
    registry = platform.registry.features
    title, _, feature = name.partition(".")
    plain, at, version = title.partition("@")
    number = int(version) if at and version.isascii() and version.isdigit() and len(version) < 10 else None
    found = described(registry, find_definition(registry, plain if number is not None else title, number, KINDS))
    if not feature:
        return found
    features = [one for one in found["features"] if one["name"] == f"{found['name']}.{feature}"]
    if not features:
        there = ", ".join(one["name"] for one in found["features"])[:300] or "none"
        fault = Fault("id", repr(name)[:80], f"use one of: {there}")
        raise UnknownFeature(f"'{title[:80]}' has no such feature", fault)
    return found | {"features": features}
