"""Prints what a Feast repository declares, as JSON. Run with an interpreter that has Feast, in the repository's folder.

It stands alone: it imports Feast and the standard library, and runs on Python 3.10. Running a repository's files is
what `feast apply` does too; nothing is applied or written.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

NO_FEAST = 3
_DUMMY = "__dummy"


def main() -> int:
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [place for place in sys.path if str(Path(place).resolve()) != here]
    sys.dont_write_bytecode = True
    # What the repository's files print goes to the error stream, so that the answer stands alone.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        try:
            importlib.import_module("feast")
        except ModuleNotFoundError as error:
            if error.name != "feast":
                raise
            return NO_FEAST
        # Last, so that nothing of the repository stands in for a part of Feast.
        importlib.import_module("feast.repo_operations")
        sys.path.insert(0, str(Path.cwd()))
        json.dump(_repository(Path.cwd()), answer)
    return 0


def _repository(folder: Path) -> dict[str, Any]:
    feast: Any = importlib.import_module("feast")
    operations: Any = importlib.import_module("feast.repo_operations")
    config = _config(folder)
    contents = operations.parse_repo(folder)
    entities = [one for one in contents.entities if one.name != _DUMMY]
    views, streams, on_demand, services = (
        list(getattr(contents, name, ()))
        for name in ("feature_views", "stream_feature_views", "on_demand_feature_views", "feature_services")
    )
    labels = list(getattr(contents, "label_views", ()))
    origin = "definitions"
    store = None
    if not (entities or views or streams or on_demand):
        store, origin = _store(feast, config, folder), "registry"
        if store is not None:
            entities, views = store.list_entities(), store.registry.list_feature_views(store.project)
            streams, on_demand = store.list_stream_feature_views(), store.list_on_demand_feature_views()
            services = store.list_feature_services()
            labels = store.list_label_views() if hasattr(store, "list_label_views") else []
            entities = [one for one in entities if one.name != _DUMMY]
    elif any(_inferred(view) for view in views):
        store = _store(feast, config, folder)
    others = {"stream view": streams, "on-demand view": on_demand, "label view": labels, "feature service": services}
    return {
        "feast": feast.__version__,
        "project": config.project,
        "origin": origin,
        "entities": [_entity(one) for one in entities],
        "views": [_view(one, _registered(store, one)) for one in views],
        "others": [{"kind": kind, "name": one.name} for kind, found in others.items() for one in found],
    }


def _config(folder: Path) -> Any:
    configs: Any = importlib.import_module("feast.repo_config")
    return configs.load_repo_config(folder, folder / "feature_store.yaml")


def _store(feast: Any, config: Any, folder: Path) -> Any:
    """What was applied; None where nothing was, since opening a registry that is not there would make one."""
    registry = config.registry
    kind, path = getattr(registry, "registry_type", "file"), str(getattr(registry, "path", registry))
    if kind == "file" and "://" not in path and not (folder / path).exists():
        return None
    return feast.FeatureStore(repo_path=str(folder))


def _inferred(view: Any) -> bool:
    """Whether Feast finds out columns or times from the data when the repository is applied."""
    source = view.batch_source
    return not view.features or (source is not None and not source.timestamp_field)


def _registered(store: Any, view: Any) -> Any:
    if store is None or not _inferred(view):
        return view
    found = [one for one in store.registry.list_feature_views(store.project) if one.name == view.name]
    return found[0] if found else view


def _entity(entity: Any) -> dict[str, Any]:
    return {
        "name": entity.name,
        "key": entity.join_key,
        "type": entity.value_type.name,
        "description": entity.description or "",
        "owner": entity.owner or "",
        "tags": dict(entity.tags or {}),
    }


def _view(view: Any, registered: Any) -> dict[str, Any]:
    fields = view.features or registered.features
    source, stream = view.batch_source, getattr(view, "stream_source", None)
    inferred = registered.batch_source if registered.batch_source is not None else source
    derived = type(view).__name__ != "FeatureView" or getattr(view, "source_views", None)
    code = derived or getattr(view, "feature_transformation", None)
    columns = view.entity_columns or registered.entity_columns
    return {
        "name": view.name,
        "entities": [name for name in view.entities if name != _DUMMY],
        "key_types": {column.name: str(column.dtype) for column in columns},
        "ttl": view.ttl // timedelta(microseconds=1) if view.ttl else 0,
        "fields": [_field(one) for one in fields],
        "source": None if source is None else _source(source, inferred),
        "stream": None if stream is None else {"kind": type(stream).__name__, "name": stream.name},
        "code": bool(code),
        "enabled": bool(getattr(view, "enabled", True)),
        "owner": view.owner or "",
        "description": view.description or "",
        "tags": dict(view.tags or {}),
    }


def _field(field: Any) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": str(field.dtype),
        "length": int(getattr(field, "vector_length", 0) or 0),
        "description": getattr(field, "description", "") or "",
        "tags": dict(field.tags or {}),
    }


def _source(source: Any, inferred: Any) -> dict[str, Any]:
    form = getattr(source, "file_format", None)
    return {
        "kind": type(source).__name__,
        "name": source.name,
        "path": getattr(source, "path", "") or "",
        "format": "" if form is None else type(form).__name__,
        "query": _query(source),
        "timestamp": source.timestamp_field or inferred.timestamp_field or "",
        "created": source.created_timestamp_column or "",
        "mapping": dict(source.field_mapping or {}),
    }


def _query(source: Any) -> str:
    if hasattr(source, "path"):
        return ""
    try:
        return cast("str", source.get_table_query_string())
    except Exception:  # noqa: BLE001 - a hint for the reader, which not every kind of source gives
        return ""


if __name__ == "__main__":
    sys.exit(main())
