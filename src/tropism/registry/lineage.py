"""What came of what: sources, views, training sets, models, and the links between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import exists, select, union

from tropism.core.errors import Fault, InvalidInput, NotFound
from tropism.registry.features import Link
from tropism.registry.lineage_facts import facts_of, training_set_id
from tropism.registry.records import record
from tropism.storage.tables.schema import feature_links as links
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from tropism.core.task import Task
    from tropism.registry.registry import Registry

KINDS = ("source", "view", "on-demand", "lake", "training-set", "model", "prediction")
"""Kinds that lineage can be asked of. That of a `prediction` is found from its record, not from a link."""
Direction = Literal["up", "down", "both"]
_DIGITS = 16
_TOLD = 10
_BATCH = 400


class Node(msgspec.Struct, frozen=True):
    """One thing. `facts`: what is known of it, such as `fields` (names and types), `rows`, `learner`; plain values."""

    kind: str
    id: str
    facts: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id


class Graph(msgspec.Struct, frozen=True):
    """What a thing, `kind` and `id`, came of, and what came of it. Each edge leads from what was there to what was
    made of it."""

    kind: str
    id: str
    nodes: tuple[Node, ...]
    edges: tuple[Link, ...]

    def joined(self, nodes: Iterable[Node], edges: Iterable[Link]) -> Graph:
        """With more nodes and edges; each stays there once."""
        known = {node.key: node for node in (*self.nodes, *nodes)}
        drawn = {(one.from_kind, one.from_id, one.to_kind, one.to_id): one for one in (*self.edges, *edges)}
        return msgspec.structs.replace(self, nodes=tuple(known.values()), edges=tuple(drawn.values()))


def link_training(registry: Registry, task: Task, version: int, data: Mapping[str, Any], now: int) -> None:
    """Notes what a version was trained on: the views of its features and the tables of the lake, its training set,
    itself. The same again changes nothing, even if other versions of the views are live by then.

    `data`: of the training's result, with the `lake`'s versions by table and the rows' `sha256`.
    """
    made = training_set_id(task.name, data)
    origins = _used(registry, sorted({feature.view for feature in task.features if feature.view}))
    origins += [("lake", f"{task.name}/{table}") for table in data.get("lake", {})]
    with registry.db.begin() as connection:
        known = exists().where(links.c.to_kind == "training-set", links.c.to_id == made)
        if not connection.scalar(select(known)):
            _write(connection, [Link(*origin, "training-set", made, now) for origin in origins])
        _write(connection, [Link("training-set", made, "model", f"{task.name}/{version}", now)])


def graph(registry: Registry, kind: str, name: str, direction: Direction = "both") -> Graph:
    """What a thing came of (`up`), what came of it (`down`), or both. Predictions are not in the registry.

    A view without `@VERSION` is its live version, a model without `/VERSION` its champion, or its newest version.

    Raises:
        InvalidInput: there is no such kind, or the version is no number.
        NotFound, UnknownModel, UnknownVersion: there is no such thing; says which there are.
    """
    name = resolved(registry, kind, name)
    sides: tuple[Literal["up", "down"], ...] = ("up", "down") if direction == "both" else (direction,)
    edges = [link for side in sides for link in registry.features.lineage(kind, name, side)]
    return Graph(kind, name, (), ()).joined(_nodes(registry, edges, (kind, name)), edges)


def with_inputs(registry: Registry, found: Graph) -> Graph:
    """The graph with everything that any of its nodes was made of directly, whichever way it was asked for."""
    ids = [node.id for node in found.nodes]
    edges: list[Link] = []
    with registry.db.read() as connection:
        for start in range(0, len(ids), _BATCH):
            chosen = select(links).where(links.c.to_id.in_(ids[start : start + _BATCH]))
            edges += [record(Link, row) for row in connection.execute(chosen.order_by(links.c.at, links.c.from_id))]
    known = {node.key for node in found.nodes}
    edges = [link for link in edges if (link.to_kind, link.to_id) in known]
    return found.joined((node for node in _nodes(registry, edges) if node.key not in known), edges)


def resolved(registry: Registry, kind: str, name: str) -> str:
    """The whole id of a thing that there is. Otherwise as `graph`."""
    if kind not in KINDS or kind == "prediction":
        kinds = ", ".join(KINDS)
        raise InvalidInput(f"there is no lineage of a {kind}", Fault("kind", repr(kind), f"use one of: {kinds}"))
    if kind in ("view", "on-demand"):
        bare, _, number = name.partition("@")
        found = registry.features.find("view" if kind == "view" else "on-demand", bare, _number(number))
        return f"{found.name}@{found.version}"
    if kind == "model":
        model, _, number = name.partition("/")
        version = _number(number) or _champion(registry, model)
        return f"{model}/{registry.versions.get(model, version).version}"
    return _linked(registry, kind, name)


def _number(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and len(text) < _DIGITS):
        raise InvalidInput("this version is no number", Fault("id", repr(text[:80]), "write it as spend@2 or fraud/3"))
    return int(text) if text else None


def _champion(registry: Registry, model: str) -> int:
    live = registry.aliases.live(model)
    if live is not None:
        return live.champion
    versions = registry.versions.list(model)
    return versions[-1].version if versions else 1  # of which the registry says that there is none


def _linked(registry: Registry, kind: str, name: str) -> str:
    """An id that stands in a link. Raises `NotFound`."""
    known = union(*(select(links.c[f"{end}_id"]).where(links.c[f"{end}_kind"] == kind) for end in ("from", "to")))
    with registry.db.read() as connection:
        ids = sorted(connection.scalars(known))
    if name in ids:
        return name
    more = f" and {len(ids) - _TOLD} more" if len(ids) > _TOLD else ""
    none = "links are written when features are applied and models are trained"
    fix = f"use one of: {', '.join(ids[:_TOLD])}{more}" if ids else none
    raise NotFound(f"nothing is known of the {kind} {name[:200]!r}", Fault("id", repr(name[:200]), fix))


def _used(registry: Registry, views: Iterable[str]) -> list[tuple[str, str]]:
    """Views and on-demand features that features name, the live version where they name none."""
    kinds = ("view", "on-demand")
    live = [one for one in registry.features.list() if one.kind in kinds and one.state == "live"]
    found = []
    for name in views:
        if "@" in name:
            found.append(("view", name))
        else:
            found += [(one.kind, f"{one.name}@{one.version}") for one in live if one.name == name]
    return found


def _write(connection: Connection, new: Iterable[Link]) -> None:
    for link in new:
        insert_once(connection, links, msgspec.structs.asdict(link))


def _nodes(registry: Registry, edges: Iterable[Link], *others: tuple[str, str]) -> list[Node]:
    keys = dict.fromkeys(others)
    for link in edges:
        keys |= {(link.from_kind, link.from_id): None, (link.to_kind, link.to_id): None}
    facts = facts_of(registry, keys)
    return [Node(kind, name, facts.get((kind, name), {})) for kind, name in keys]
