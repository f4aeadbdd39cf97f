"""The lineage of anything, predictions too: links of the registry and records of the lake put together."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tropism.core.clock import from_datetime
from tropism.feedback.tracing import made_by_day, trace
from tropism.registry import Link
from tropism.registry.lineage import Direction, Graph, Node, graph, with_inputs
from tropism.registry.open_lineage import run_events

if TYPE_CHECKING:
    from tropism.wiring import Platform

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def lineage(platform: Platform, kind: str, name: str, direction: Direction = "both") -> Graph:
    """What a thing came of, what came of it, or both.

    A `prediction` leads up to the version that made it and on from there; nothing comes of one. Below a `model` stands
    one node `predictions`, which says how many it made each day.

    Raises:
        InvalidInput: there is no such kind, or the id is none of that kind.
        NotFound, UnknownModel, UnknownVersion: there is no such thing; says which there are.
    """
    if kind == "prediction":
        return _of_prediction(platform, name, direction)
    if direction == "up":
        return graph(platform.registry, kind, name, "up")
    below = _with_predictions(platform, graph(platform.registry, kind, name, "down"))
    if direction == "down":
        return below
    above = graph(platform.registry, kind, name, "up")
    return above.joined(below.nodes, below.edges)


def lineage_events(platform: Platform, found: Graph, namespace: str | None = None) -> tuple[dict[str, Any], ...]:
    """Lineage as OpenLineage's run events, each with all inputs of its run, and after those that made them.

    `namespace`: of the project's jobs and data sets; `tropism://FOLDER` without it, after the project's folder.
    """
    folder = Path(platform.settings.project).resolve()
    namespace = namespace or f"tropism://{_OTHER.sub('-', folder.name) or 'project'}"
    return run_events(with_inputs(platform.registry, found), namespace, folder.as_posix())


def _of_prediction(platform: Platform, name: str, direction: Direction) -> Graph:
    found = trace(platform.lake, (task.name for task in platform.registry.tasks.all()), name)
    facts = {"task": found.task, "at": found.at, "version": found.version, "variant": found.variant}
    alone = Graph("prediction", found.id, (Node("prediction", found.id, facts),), ())
    if direction == "down" or not found.version:
        return alone
    model = f"{found.task}/{found.version}"
    above = graph(platform.registry, "model", model, "up")
    made = Link("model", model, "prediction", found.id, found.at)
    return alone.joined(above.nodes, (made, *above.edges))


def _with_predictions(platform: Platform, below: Graph) -> Graph:
    """With one node for the predictions of each model, where it made any."""
    models: dict[str, set[int]] = {}
    for node in below.nodes:
        task, _, version = node.id.partition("/")
        if node.kind == "model" and version.isdecimal():
            models.setdefault(task, set()).add(int(version))
    nodes, edges = [], []
    for task, versions in models.items():
        for number, days in made_by_day(platform.lake, task, versions).items():
            name = f"{task}/{number}"
            nodes.append(Node("predictions", name, {"total": sum(days.values()), "days": days}))
            edges.append(Link("model", name, "predictions", name, from_datetime(datetime.fromisoformat(max(days)))))
    return below.joined(nodes, edges)
