"""What applying definitions of features would change, and what it would break: a comparison, without a database."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.errors import Conflict, Fault, InvalidInput, TropismError
from tropism.features import Entity, FeatureView, OnDemand, StreamSource
from tropism.registry.comparison import Difference, differences
from tropism.registry.records import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["entity", "stream", "view", "on-demand"]
KINDS: tuple[Kind, ...] = ("entity", "stream", "view", "on-demand")
State = Literal["live", "old", "dropped"]
Action = Literal["create", "version", "describe", "same", "gone"]
Definition = Entity | StreamSource | FeatureView | OnDemand
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


class Registered(msgspec.Struct, frozen=True):
    """One version of a definition. `spec`: the definition as plain values; of an on-demand feature its name, type,
    description and the hash of its code, which stays in `project.py`. `created_at` in µs."""

    kind: Kind
    name: str
    version: int
    fingerprint: str
    spec: dict[str, Any]
    state: State
    created_at: int
    actor: str

    @property
    def view(self) -> FeatureView:
        """Raises `IntegrityError` where it is not one that can be read."""
        found = _made(FeatureView, self)
        assert isinstance(found, FeatureView)
        return found

    @property
    def stream(self) -> StreamSource:
        """Raises `IntegrityError` where it is not one that can be read."""
        found = _made(StreamSource, self)
        assert isinstance(found, StreamSource)
        return found


class Change(msgspec.Struct, frozen=True):
    """What happens to one definition. `version`: the one that it then has; `spec` and `fingerprint` what is stored
    then; `differences`: field by field, from the version before."""

    action: Action
    kind: Kind
    name: str
    version: int
    fingerprint: str
    spec: dict[str, Any]
    differences: tuple[Difference, ...] = ()

    @property
    def writes(self) -> bool:
        return self.action not in ("same", "gone")


class Plan(msgspec.Struct, frozen=True):
    """What applying does, entities first, then streams, views and on-demand features, by name."""

    changes: tuple[Change, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing would be written."""
        return not any(change.writes for change in self.changes)


class _Wanted(msgspec.Struct, frozen=True):
    kind: Kind
    name: str
    fingerprint: str
    spec: dict[str, Any]


def plan_features(stored: Sequence[Registered], definitions: Iterable[Definition]) -> Plan:
    """What turns what is stored into what is declared. Entities and streams of views need not be declared apart.

    Raises:
        InvalidInput: a definition holds a value of a wrong type.
        Conflict: two definitions have one name, or something that is served would break; a fault for each.

    >>> plan = plan_features([], [Entity("account", key="account_id")])
    >>> [(change.action, change.kind, change.name, change.version) for change in plan.changes]
    [('create', 'entity', 'account', 1)]
    """
    wanted = _all_wanted(definitions)
    serving = [one for one in stored if one.state != "dropped"]
    faults = _breaks([one for one in serving if one.kind == "view"], wanted)
    if faults:
        raise Conflict("the features cannot change so: versions that are served would break", *faults)
    live = {(one.kind, one.name): one for one in serving if one.state == "live"}
    last: dict[tuple[Kind, str], int] = {}
    for one in stored:
        key = one.kind, one.name
        last[key] = max(last.get(key, 0), one.version)
    changes = [_change(live.get(key), new, last.get(key, 0)) for key, new in wanted.items()]
    changes += [_gone(one) for key, one in live.items() if key not in wanted]
    return Plan(tuple(sorted(changes, key=lambda one: (KINDS.index(one.kind), one.name))))


def masked(value: Any) -> Any:
    """Plain values with the passwords of URLs taken out, to be shown.

    >>> masked({"url": "postgresql://ann:secret@db/shop"})
    {'url': 'postgresql://ann:***@db/shop'}
    """
    if isinstance(value, dict):
        return {key: masked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part) for part in value]
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value


def source_id(spec: dict[str, Any]) -> str:
    """What a source is called in lineage, from its plain values.

    >>> source_id({"source": "parquet", "path": "profiles/*.parquet"})
    'parquet:profiles/*.parquet'
    """
    named = next(spec[field] for field in ("name", "path", "table", "query") if field in spec)
    place = f"{masked(spec['url'])} " if "url" in spec else ""
    return f"{spec['source']}:{place}{masked(named)}"


def _all_wanted(definitions: Iterable[Definition]) -> dict[tuple[Kind, str], _Wanted]:
    wanted: dict[tuple[Kind, str], _Wanted] = {}
    faults = []
    for one in definitions:
        parts: list[Definition] = [one]
        if isinstance(one, FeatureView):
            parts += [one.entity, *([one.source] if isinstance(one.source, StreamSource) else [])]
        for part in parts:
            new = _wanted(part)
            before = wanted.setdefault((new.kind, new.name), new)
            if before.spec != new.spec:
                what = ", ".join(sorted({difference.field for difference in differences(before.spec, new.spec)}))
                fix = f"give each its own name, or make them one; they differ in {what}"
                faults.append(Fault(f"{new.kind}.{new.name}", repr(new.name), fix))
    if faults:
        raise Conflict("two definitions have one name", *{fault.field: fault for fault in faults}.values())
    return wanted


def _wanted(definition: Definition) -> _Wanted:
    if isinstance(definition, OnDemand):
        names = ("name", "type", "description", "version")
        spec = {name: getattr(definition, name) for name in names}
        spec["reads"] = [text for text in definition.texts if "." in text]
        return _Wanted("on-demand", definition.name, _hash(spec), spec)
    try:
        made = msgspec.convert(msgspec.to_builtins(definition), type(definition))
    except (msgspec.ValidationError, TypeError) as error:
        reason, _, where = str(error).partition(" - at `$.")
        kind_name = type(definition).__name__
        fault = Fault(where.rstrip("`") or kind_name, reason, "give it a value of the type that it is declared with")
        raise InvalidInput(f"a {kind_name} holds a value of a wrong type", fault) from error
    if isinstance(made, FeatureView):
        return _Wanted("view", made.name, made.fingerprint, _plain(made))
    kind: Kind = "entity" if isinstance(made, Entity) else "stream"
    return _Wanted(kind, made.name, _hash(_plain(made)), _plain(made))


def _plain(definition: msgspec.Struct) -> dict[str, Any]:
    """As it is read back from JSON: lists, not tuples."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(definition))
    return plain


def _hash(spec: dict[str, Any]) -> str:
    bare = {key: value for key, value in spec.items() if key != "description"}
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:16]


def _made(kind: type[Entity | StreamSource | FeatureView], stored: Registered) -> Entity | StreamSource | FeatureView:
    try:
        return msgspec.convert(stored.spec, kind)
    except (msgspec.ValidationError, TropismError) as error:
        raise unreadable(stored.kind, f"{stored.name}@{stored.version}", error) from error


def _again(stored: Registered) -> _Wanted:
    """A stored definition as this version of Tropism reads it: a new field with a default is no change."""
    if stored.kind == "on-demand":
        return _Wanted(stored.kind, stored.name, _hash(stored.spec), stored.spec)
    kinds: dict[str, type[Entity | StreamSource | FeatureView]]
    kinds = {"entity": Entity, "stream": StreamSource, "view": FeatureView}
    return _wanted(_made(kinds[stored.kind], stored))


def _change(live: Registered | None, new: _Wanted, last: int) -> Change:
    facts = (new.kind, new.name)
    if live is None:
        return Change("create", *facts, last + 1, new.fingerprint, new.spec, differences({}, new.spec))
    old = _again(live)
    if old.spec == new.spec:
        return Change("same", *facts, live.version, live.fingerprint, live.spec)
    found = differences(old.spec, new.spec) or _order(old.spec, new.spec)
    if old.fingerprint == new.fingerprint:
        return Change("describe", *facts, live.version, new.fingerprint, new.spec, found)
    return Change("version", *facts, last + 1, new.fingerprint, new.spec, found)


def _order(old: dict[str, Any], new: dict[str, Any]) -> tuple[Difference, ...]:
    """Fields are compared by name, so that another order of them differs in nothing else."""
    before, after = ([field["name"] for field in spec["fields"]] for spec in (old, new))
    return (Difference("fields", before, after),)


def _gone(live: Registered) -> Change:
    return Change("gone", live.kind, live.name, live.version, live.fingerprint, live.spec)


def _breaks(views: list[Registered], wanted: dict[tuple[Kind, str], _Wanted]) -> list[Fault]:
    """What versions that are served rely on, and would find changed."""
    users: dict[tuple[str, str], list[str]] = {}
    for stored in views:
        view, place = stored.view, f"{stored.name}@{stored.version}"
        entity = wanted.get(("entity", view.entity.name))
        if entity is not None and entity.spec["key"] != list(view.entity.keys):
            value = f"{entity.spec['key']}, it was {list(view.entity.keys)}"
            users.setdefault((f"entity.{view.entity.name}.key", value), []).append(place)
        if not isinstance(view.source, StreamSource):
            continue
        stream = wanted.get(("stream", view.source.name))
        for column in view.columns if stream is not None else ():
            assert stream is not None
            before, after = view.source.schema[column], stream.spec["schema"].get(column, "missing")
            if before != after:
                field = f"stream.{view.source.name}.schema.{column}"
                users.setdefault((field, f"{after}, it was {before}"), []).append(place)
    return [Fault(*what, _remedy(places)) for what, places in users.items()]


def _remedy(places: list[str]) -> str:
    drops = [f"tropism features drop {place.replace('@', ' ')}" for place in places]
    return f"put it back, or use another name, or first run: {'; '.join(drops)}"
