"""What is known of the things in lineage: fields and their types, rows, learners."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import NotFound
from tropism.features import Field, StreamSource
from tropism.features.types import dtype
from tropism.registry.feature_plan import source_id
from tropism.registry.tracking.training_runs import training_runs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tropism.features import Aggregation, FeatureView
    from tropism.registry.registry import Registry
    from tropism.registry.versions import ModelVersion

Key = tuple[str, str]
Facts = dict[Key, dict[str, Any]]
_DIGITS = 16


def training_set_id(task: str, data: Mapping[str, Any]) -> str:
    """What the rows of a training are called: the same rows, the same name.

    >>> training_set_id("fraud", {"sha256": "ab" * 32})
    'fraud/abababababababab'
    """
    digest = data.get("sha256") or hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()
    return f"{task}/{digest[:_DIGITS]}"


def facts_of(registry: Registry, keys: Collection[Key]) -> Facts:
    """Facts of things, by kind and id; nothing of those that the registry does not know."""
    kinds = {kind for kind, _ in keys}
    found: Facts = {}
    if kinds & {"view", "source"}:
        found |= _of_views(registry, {name for kind, name in keys if kind == "view"})
    if kinds & {"model", "training-set"}:
        tasks = {name.split("/")[0] for kind, name in keys if kind in ("model", "training-set")}
        for task in sorted(tasks):
            made = registry.versions.list(task)
            runs = training_runs(registry.db, made)
            for version in made:
                found |= _of_version(version, runs.get(version.version))
    return {key: facts for key, facts in found.items() if key in keys}


def _of_views(registry: Registry, wanted: set[str]) -> Facts:
    """Of views and of the sources that they read, dropped versions too where they are `wanted`."""
    found: Facts = {}
    kept = {f"{one.name}@{one.version}" for one in registry.features.list() if one.kind == "view"}
    for place in sorted(kept | wanted):
        name, _, version = place.rpartition("@")
        try:
            one = registry.features.find("view", name, int(version))
        except (NotFound, ValueError):  # a link that somebody else wrote
            continue
        view = one.view
        keys = [{"name": key, "type": _key_type(view, key)} for key in view.entity.keys]
        features = [{"name": field.name, "type": _type(view, field)} for field in view.fields]
        found["view", place] = {"fields": keys + features, "at": one.created_at, "state": one.state}
        source = found.setdefault(("source", source_id(one.spec["source"])), {"fields": []})
        known = {field["name"] for field in source["fields"]}
        source["fields"] += [column for column in _columns(view) if column["name"] not in known]
    return found


def _columns(view: FeatureView) -> list[dict[str, str]]:
    """Columns of a view's source, as far as the view says what they are."""
    if isinstance(view.source, StreamSource):
        return [{"name": name, "type": str(kind)} for name, kind in view.source.schema.items()]
    keys = [{"name": key, "type": "text or integer"} for key in view.entity.keys]
    times = [{"name": name, "type": "time"} for name in (view.source.timestamp, view.source.created) if name]
    return [*keys, *times, *({"name": field.column, "type": str(field.type)} for field in view.plain)]


def _key_type(view: FeatureView, key: str) -> str:
    return str(view.source.schema[key]) if isinstance(view.source, StreamSource) else "text or integer"


def _type(view: FeatureView, field: Field | Aggregation) -> str:
    """The type of an aggregate; `as NAME` where it is that of a column whose type is not declared."""
    if isinstance(field, Field):
        return str(field.type)
    if isinstance(view.source, StreamSource) and field.column:
        return field.result(dtype(view.source.schema[field.column])).kind
    if field.function in ("sum", "min", "max", "last"):
        return f"as {field.column}"
    return field.result(dtype("number")).kind


def _of_version(version: ModelVersion, run: str | None) -> Facts:
    """Of a model's version, and of the training set that it names. `run`: that of its training."""
    inputs = [dict(entry) for entry in version.signature.get("inputs", ())]
    model: dict[str, Any] = {
        "learner": version.learner,
        "window": version.window,
        "state": version.state,
        "at": version.created_at,
        **({} if run is None else {"run": run}),
    }
    rows: dict[str, Any] = {
        name: version.data[name] for name in ("rows", "sha256", "from", "now", "lake") if name in version.data
    }
    return {
        ("model", f"{version.model}/{version.version}"): {"fields": inputs, **model},
        ("training-set", training_set_id(version.model, version.data)): {"fields": inputs, **rows},
    }
