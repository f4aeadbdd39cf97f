"""Lineage as events of OpenLineage (https://openlineage.io, spec 2-0-2): one run for each thing that was made.

A run's id is derived from what it made, so an event that is sent twice is the same one. The jobs: `materialise/VIEW`,
`training-set/TASK`, `training/TASK`, and `serving/TASK`, which goes on and is therefore `RUNNING`; all others are
`COMPLETE`. A data set keeps its name over its versions, which are in its `version` facet.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from tropism.core.clock import iso

if TYPE_CHECKING:
    from tropism.registry.features import Link
    from tropism.registry.lineage import Graph

_Key = tuple[str, str]
PRODUCER = "https://github.com/tropism-ml/tropism"
SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_SCHEMAS = {
    "schema": f"{_FACETS}/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "version": f"{_FACETS}/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
    "jobType": f"{_FACETS}/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "outputStatistics": f"{_FACETS}/1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet",
}
_JOBS = {"view": "materialise", "model": "training", "predictions": "serving", "prediction": "serving"}
_FILES = ("parquet", "csv", "delta")
_DATABASE = re.compile(
    r"(?P<scheme>[a-z0-9]+)(\+\w+)?://(?:[^/@]*@)?(?P<host>[^/?]*)/?(?P<path>[^?\s]*)\S*\s?(?P<of>.*)", re.S
)


def run_events(graph: Graph, namespace: str, folder: str = "") -> tuple[dict[str, Any], ...]:
    """A run event for each node that was made of others, each after those of its inputs.

    `graph`: with all inputs of its nodes (`lineage.with_inputs`). `namespace`: of the jobs, and of the data sets that
    have no place of their own. `folder`: the absolute path that paths of files are relative to.
    """
    runs: dict[_Key, list[Link]] = {}
    for link in graph.edges:
        runs.setdefault(_target(link), []).append(link)
    facts = {node.key: node.facts for node in graph.nodes}
    names = _Names(namespace, folder)
    return tuple(_event(names, made, runs[made], facts) for made in _ordered(runs))


def _ordered(runs: dict[_Key, list[Link]]) -> list[_Key]:
    """What was made, by time, and never before what it was made of, where a training made both at one moment."""
    done: dict[_Key, None] = {}
    waiting = sorted(runs, key=lambda made: (max(link.at for link in runs[made]), made), reverse=True)
    begun: set[_Key] = set()
    while waiting:
        made = waiting[-1]
        before = [(link.from_kind, link.from_id) for link in runs[made]] if made not in begun else []
        begun.add(made)
        needed = [one for one in before if one in runs and one not in begun]
        if needed:
            waiting += needed
        else:
            done[waiting.pop()] = None
    return list(done)


def _target(link: Link) -> _Key:
    """What a link's run made; one prediction stands for all of its model's."""
    if link.to_kind == "prediction":
        return "predictions", link.from_id
    return link.to_kind, link.to_id


def _event(names: _Names, made: _Key, links: list[Link], facts: dict[_Key, dict[str, Any]]) -> dict[str, Any]:
    kind, name = made
    serves = kind == "predictions"
    group = _JOBS.get(kind, kind)
    subject = _parted(kind, name)[0]
    origins = dict.fromkeys((link.from_kind, link.from_id) for link in links)
    output = names.dataset(kind, name, facts.get(made, {}))
    count = facts.get(made, {}).get("total" if serves else "rows")
    if count is not None:
        output["outputFacets"] = {"outputStatistics": _facet("outputStatistics", rowCount=count)}
    kinds = {"processingType": "SERVICE" if serves else "BATCH", "integration": "TROPISM"}
    return {
        "eventType": "RUNNING" if serves else "COMPLETE",
        "eventTime": iso(max(link.at for link in links)),
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{names.namespace}/{group}/{kind}/{name}"))},
        "job": {
            "namespace": names.namespace,
            "name": f"{group}/{subject}",
            "facets": {"jobType": _facet("jobType", **kinds, jobType=group.upper().replace("-", "_"))},
        },
        "inputs": [names.dataset(*origin, facts.get(origin, {})) for origin in origins],
        "outputs": [output],
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
    }


def _facet(name: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": _SCHEMAS[name], **values}


def _parted(kind: str, name: str) -> tuple[str, str]:
    """A name and its version, which is empty for what has none.

    >>> _parted("view", "spend@2"), _parted("model", "fraud/3"), _parted("lake", "fraud/outcomes")
    (('spend', '2'), ('fraud', '3'), ('fraud/outcomes', ''))
    """
    if kind in ("view", "on-demand"):
        bare, _, version = name.rpartition("@")
        return bare, version
    if kind in ("training-set", "model", "predictions"):
        bare, _, version = name.partition("/")
        return bare, version
    return name, ""


class _Names:
    """Names of data sets, as OpenLineage's naming conventions have them."""

    def __init__(self, namespace: str, folder: str) -> None:
        self.namespace = namespace
        self._folder = folder

    def dataset(self, kind: str, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """A data set with what is known of it."""
        facets = {}
        if facts.get("fields"):
            facets["schema"] = _facet("schema", fields=[dict(field) for field in facts["fields"]])
        if kind == "predictions":  # they lie in one table, whichever version made them
            space, placed = self.namespace, f"lake/{_parted(kind, name)[0]}/predictions"
        elif kind == "source":
            space, placed = self._source(name)
        else:
            bare, version = _parted(kind, name)
            space, placed = self.namespace, f"{kind}/{bare}"
            if version:
                facets["version"] = _facet("version", datasetVersion=version)
        return {"namespace": space, "name": placed, "facets": facets}

    def _source(self, name: str) -> tuple[str, str]:
        """Namespace and name of a source: of its file system or database, where it has one."""
        kind, _, place = name.partition(":")
        if kind in _FILES:
            scheme, found, rest = place.partition("://")
            if not found:
                return "file", place if place.startswith("/") or not self._folder else f"{self._folder}/{place}"
            authority, _, path = rest.partition("/")
            return f"{scheme}://{authority}", path or "/"
        parts = _DATABASE.fullmatch(place) if kind == "sql" else None
        if parts is None:
            return self.namespace, f"{kind}/{place}"
        scheme = {"postgresql": "postgres"}.get(parts["scheme"], parts["scheme"])
        return f"{scheme}://{parts['host']}", ".".join(part for part in (parts["path"], parts["of"]) if part)
