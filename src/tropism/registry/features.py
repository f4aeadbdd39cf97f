"""Definitions of features by name and version, as they were applied, and what came of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault, NotFound, UnknownVersion
from tropism.features import FeatureView, StreamSource
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.feature_plan import (
    KINDS,
    Change,
    Definition,
    Kind,
    Plan,
    Registered,
    State,
    plan_features,
    source_id,
)
from tropism.registry.records import record
from tropism.storage.tables.schema import feature_definitions as table
from tropism.storage.tables.schema import feature_links as links
from tropism.storage.tables.schema import tasks
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Direction = Literal["up", "down"]


class ViewVersion(msgspec.Struct, frozen=True):
    """One version of a feature view. `state`: `live` is the newest, `old` ones are served too, `dropped` ones not."""

    name: str
    version: int
    fingerprint: str
    view: FeatureView
    state: State
    created_at: int
    actor: str

    @property
    def storage_name(self) -> str:
        """What its values are stored under, such as `spend@2`."""
        return f"{self.name}@{self.version}"


class Link(msgspec.Struct, frozen=True):
    """One thing was made from another. Kinds: `source`, `view`, `training-set`, `model` and whatever callers add;
    ids are text, such as `spend@2` or `payments/3`. `at` in µs."""

    from_kind: str
    from_id: str
    to_kind: str
    to_id: str
    at: int


class Features:
    """Definitions of features. A changed definition is a new version; that of a view before it goes on serving until
    it is dropped. Numbers of versions are never used again."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def plan(self, definitions: Iterable[Definition]) -> Plan:
        """What `apply` would do; changes nothing.

        Raises:
            InvalidInput: a definition holds a value of a wrong type.
            Conflict: two definitions have one name, or something that is served would break.
        """
        with self._db.read() as connection:
            return plan_features(_stored(connection), definitions)

    def apply(
        self, definitions: Iterable[Definition], now: int, *, actor: str = "project", expected: Plan | None = None
    ) -> Plan:
        """Stores what is declared, all of it or nothing; what was done. The same again changes nothing.

        `expected`: the plan that somebody agreed to; nothing is done if it would be another one now.

        Raises:
            InvalidInput: a definition holds a value of a wrong type.
            Conflict: as `plan`, or the plan is not the one expected.
        """
        declared = list(definitions)
        with self._db.exclusive() as connection:
            plan = plan_features(_stored(connection), declared)
            if expected is not None and plan != expected:
                fault = Fault("plan", "", "look at the new plan: tropism features apply --dry-run")
                raise Conflict("the features were changed since the plan was made", fault)
            if not plan.empty:
                moved = generation.advance(connection, now)
                for change in plan.changes:
                    if change.writes:
                        _write(connection, change, now, actor, moved)
        return plan

    def drop(self, name: str, version: int, now: int, *, kind: Kind = "view", actor: str = "project") -> None:
        """Ends the serving of a version. One that is dropped already stays so.

        Raises:
            NotFound, UnknownVersion: there is none; says which there are.
            Conflict: views that are served, or tasks, need it.
        """
        with self._db.exclusive() as connection:
            found = _one(connection, kind, name, version)
            if found.state == "dropped":
                return
            _require_unused(connection, found)
            _require_unread(connection, found)
            chosen = (table.c.kind == kind) & (table.c.name == name) & (table.c.version == version)
            connection.execute(table.update().where(chosen).values(state="dropped"))
            detail = {"kind": kind, "version": version, "generation": generation.advance(connection, now)}
            append(connection, at=now, actor=actor, action="feature.dropped", subject=name, detail=detail)

    def live(self) -> tuple[ViewVersion, ...]:
        """The newest version of every view, by name."""
        return tuple(one for one in self.serving() if one.state == "live")

    def serving(self) -> tuple[ViewVersion, ...]:
        """Every version of every view that is not dropped, by name and version."""
        return tuple(_version(one) for one in self.list() if one.kind == "view")

    def get(self, name: str, version: int | None = None) -> ViewVersion:
        """A version of a view, dropped ones too, or the live one.

        Raises:
            NotFound, UnknownVersion: there is none; says which there are.
        """
        return _version(self.find("view", name, version))

    def find(self, kind: Kind, name: str, version: int | None = None) -> Registered:
        """A version of any kind of definition. Otherwise as `get`."""
        with self._db.read() as connection:
            return _one(connection, kind, name, version)

    def list(self) -> tuple[Registered, ...]:
        """Every version of every definition that is not dropped: entities, streams, views, on-demand features."""
        with self._db.read() as connection:
            return tuple(one for one in _stored(connection) if one.state != "dropped")

    def every(self) -> tuple[Registered, ...]:
        """Every version of every definition, dropped ones too."""
        with self._db.read() as connection:
            return tuple(_stored(connection))

    def streams(self) -> tuple[StreamSource, ...]:
        """The streams that are live, by name."""
        return tuple(one.stream for one in self.list() if one.kind == "stream" and one.state == "live")

    def pushable(self) -> tuple[tuple[StreamSource, tuple[str, ...]], ...]:
        """The live streams, each with the columns that views over it find entities by."""
        listed = self.list()
        keys: dict[str, dict[str, None]] = {}
        for view in (one.view for one in listed if one.kind == "view"):
            if isinstance(view.source, StreamSource):
                keys.setdefault(view.source.name, {}).update(dict.fromkeys(view.entity.keys))
        streams = (one.stream for one in listed if one.kind == "stream" and one.state == "live")
        return tuple((one, tuple(keys.get(one.name, ()))) for one in streams)

    def generation(self) -> int:
        """A number that changes with every change of any definition."""
        with self._db.read() as connection:
            return generation.current(connection)

    def link(self, from_kind: str, from_id: str, to_kind: str, to_id: str, now: int) -> None:
        """Notes that one thing was made from another. The same again changes nothing; links are never removed."""
        with self._db.begin() as connection:
            _link(connection, Link(from_kind, from_id, to_kind, to_id, now))

    def lineage(self, kind: str, id: str, direction: Direction = "down") -> tuple[Link, ...]:  # noqa: A002
        """Every link from a thing to what came of it (`down`), or to what it came of (`up`), however far; those
        noted first come first."""
        near, far = ("from", "to") if direction == "down" else ("to", "from")
        begun = (links.c[f"{near}_kind"] == kind) & (links.c[f"{near}_id"] == id)
        known = select(links).where(begun).cte("known", recursive=True)
        follows = (links.c[f"{near}_kind"] == known.c[f"{far}_kind"]) & (links.c[f"{near}_id"] == known.c[f"{far}_id"])
        known = known.union(select(links).join(known, follows))  # UNION, not UNION ALL: a ring ends
        query = select(known).order_by(*(known.c[name] for name in ("at", *links.primary_key.columns.keys())))
        with self._db.read() as connection:
            return tuple(record(Link, row) for row in connection.execute(query))


def _stored(connection: Connection) -> list[Registered]:
    rows = connection.execute(select(table).order_by(table.c.name, table.c.version))
    return sorted((record(Registered, row) for row in rows), key=lambda one: KINDS.index(one.kind))


def _one(connection: Connection, kind: Kind, name: str, version: int | None) -> Registered:
    same = select(table).where(table.c.kind == kind, table.c.name == name).order_by(table.c.version.desc())
    found = [record(Registered, row) for row in connection.execute(same)]
    if not found:
        names = connection.scalars(select(table.c.name).where(table.c.kind == kind).distinct().order_by(table.c.name))
        known = ", ".join(names)
        fix = f"use one of: {known}" if known else "declare it in project.py, then run `tropism features apply`"
        raise NotFound(f"there is no {_called(kind)} '{name}'", Fault(kind, repr(name), fix))
    if version is None:
        return next((one for one in found if one.state == "live"), found[0])
    for one in found:
        if one.version == version:
            return one
    known = ", ".join(str(one.version) for one in reversed(found))
    fault = Fault("version", str(version), f"use one of: {known}")
    raise UnknownVersion(f"{_called(kind)} '{name}' has no version {version}", fault)


def _called(kind: Kind) -> str:
    return {"view": "feature view", "on-demand": "on-demand feature"}.get(kind, kind)


def _version(one: Registered) -> ViewVersion:
    return ViewVersion(one.name, one.version, one.fingerprint, one.view, one.state, one.created_at, one.actor)


def _write(connection: Connection, change: Change, now: int, actor: str, moved: int) -> None:
    same = (table.c.kind == change.kind) & (table.c.name == change.name)
    key = {"kind": change.kind, "name": change.name, "version": change.version}
    stored = {"fingerprint": change.fingerprint, "spec": change.spec}
    if change.action == "describe":
        connection.execute(table.update().where(same & (table.c.version == change.version)).values(**stored))
    else:
        replaced = "old" if change.kind == "view" else "dropped"  # nothing is served from the others
        connection.execute(table.update().where(same & (table.c.state == "live")).values(state=replaced))
        connection.execute(table.insert(), {**key, **stored, "state": "live", "created_at": now, "actor": actor})
    if change.kind == "view":
        source = source_id(change.spec["source"])
        _link(connection, Link("source", source, "view", f"{change.name}@{change.version}", now))
    status = {"create": "created", "version": "changed", "describe": "described"}[change.action]
    detail = {"kind": change.kind, "status": status, "version": change.version, "generation": moved}
    detail["fingerprint"] = change.fingerprint
    append(connection, at=now, actor=actor, action="feature.applied", subject=change.name, detail=detail)


def _link(connection: Connection, link: Link) -> None:
    insert_once(connection, links, msgspec.structs.asdict(link))


def _require_unused(connection: Connection, found: Registered) -> None:
    """The live entity or stream of views that are served is not dropped below them."""
    if found.kind not in ("entity", "stream") or found.state != "live":
        return
    serving = [one for one in _stored(connection) if one.kind == "view" and one.state != "dropped"]
    users = [f"{one.name}@{one.version}" for one in serving if found.name == _used(one.view, found.kind)]
    if users:
        fault = Fault(found.kind, repr(found.name), f"first drop {', '.join(users)}")
        raise Conflict(f"{found.kind} '{found.name}' is in use", fault)


def _require_unread(connection: Connection, found: Registered) -> None:
    """Tasks answer with the versions that they were applied with."""
    if found.kind not in ("view", "on-demand") or (found.kind == "on-demand" and found.state != "live"):
        return
    stored = f"{found.name}@{found.version}" if found.kind == "view" else found.name
    used = {stored, *(_computed_from(connection, found) if found.state == "live" else ())}
    readers = [
        name
        for name, spec in connection.execute(select(tasks.c.name, tasks.c.spec).order_by(tasks.c.name))
        if any(feature.get("view") in used for feature in msgspec.json.decode(spec)["features"])
    ]
    if readers:
        fix = "apply another version of it first, so that the task moves to that one; or leave it"
        fault = Fault(f"{found.kind}.{found.name}", stored, fix)
        raise Conflict(f"'{stored}' is read by the task {', '.join(readers)}", fault)


def _computed_from(connection: Connection, found: Registered) -> list[str]:
    """On-demand features that read a view: always its live version."""
    live = [one for one in _stored(connection) if one.kind == "on-demand" and one.state == "live"]
    return [one.name for one in live if any(text.startswith(f"{found.name}.") for text in one.spec["reads"])]


def _used(view: FeatureView, kind: Kind) -> str | None:
    if kind == "entity":
        return view.entity.name
    return view.source.name if isinstance(view.source, StreamSource) else None
