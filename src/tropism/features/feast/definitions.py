"""Our definitions of what a Feast repository declares, and a list of what has no counterpart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import InvalidInput
from tropism.features.feast.naming import KEY_TYPES, Declared, Remark, name_of, ttl_of, type_of, why_not
from tropism.features.sources import DeltaSource, ParquetSource
from tropism.features.views import Entity, FeatureView, Field

if TYPE_CHECKING:
    from tropism.features.feast.repository import FeastEntity, FeastRepository, FeastSource, FeastView
    from tropism.features.views import Known

_OTHERS = {
    "on-demand view": "its code is not taken over; write it as on_demand(lambda f, request: ..., name=...)",
    "stream view": "its code is not taken over; declare a StreamSource and a view with agg, or a view of the results",
    "label view": "labels are not features; send them as outcomes",
    "feature service": "name its views in a task: Task(..., views=(...))",
}


class Converted(msgspec.Struct, frozen=True):
    """`left_out`: what is not taken over; `changed`: what is, but differently. `served`: by the name that Feast's
    server knows a feature by, `view:feature`, what is declared of it."""

    entities: tuple[Entity, ...] = ()
    views: tuple[FeatureView, ...] = ()
    left_out: tuple[Remark, ...] = ()
    changed: tuple[Remark, ...] = ()
    served: dict[str, Declared] = {}
    origin: str = ""


def definitions(repository: FeastRepository, root: Path | None = None) -> Converted:
    """`root`: the folder of the project that the definitions are for, from where it names files; the repository's own
    where none is given. Absolute paths stay as they are."""
    return _Conversion(repository, root).converted()


class _Left(Exception):
    """A view cannot be taken over, for this reason."""


class _Conversion:
    def __init__(self, repository: FeastRepository, root: Path | None) -> None:
        self._repository, self._root = repository, root
        self._known = {one.name: one for one in repository.entities}
        self._entities: dict[tuple[str, ...], Entity] = {}
        self._views: dict[str, FeatureView] = {}
        self._left: list[Remark] = []
        self._changed: list[Remark] = []
        self._served: dict[str, Declared] = {}

    def converted(self) -> Converted:
        for entity in self._repository.entities:
            try:
                self._entity((entity.name,), {})
            except _Left as reason:
                self._left.append(Remark(entity.name, str(reason)))
        for view in self._repository.views:
            before, entities = (len(self._left), len(self._changed)), dict(self._entities)
            try:
                self._views[name_of(view.name)] = self._view(view)
            except _Left as reason:
                del self._left[before[0] :], self._changed[before[1] :]
                self._entities = entities
                self._left.append(Remark(view.name, str(reason)))
        for one in self._repository.others:
            self._left.append(Remark(f"{one.kind} {one.name}", _OTHERS.get(one.kind, "it has no counterpart")))
        return Converted(
            entities=tuple(self._entities.values()),
            views=tuple(self._views.values()),
            left_out=tuple(self._left),
            changed=tuple(self._changed),
            served=self._served,
            origin=f"the project '{self._repository.project}' of Feast {self._repository.feast}",
        )

    def _entity(self, names: tuple[str, ...], key_types: dict[str, str]) -> Entity:
        """One of ours; of several of Feast's, one whose key is of several columns."""
        if not names:
            raise _Left("it is of no entity; add a column with a constant key to its source and an entity for it")
        missing = [name for name in names if name not in self._known]
        if missing:
            raise _Left(f"its entity {missing[0]} is not declared; bind it to a name in the repository")
        found = [self._known[name] for name in names]
        for one in found:
            kind = key_types.get(one.key, one.type) if one.type == "UNKNOWN" else one.type
            if kind not in KEY_TYPES:
                raise _Left(f"its key {one.key} is of type {kind}, and keys are text or whole numbers")
        place = tuple(sorted(names))
        if place not in self._entities:
            self._entities[place] = self._made(found)
        return self._entities[place]

    def _made(self, found: list[FeastEntity]) -> Entity:
        feast = "_".join(one.name for one in found)
        name = name_of(feast)
        if any(one.name == name for one in self._entities.values()):
            raise _Left(f"there is another entity of the name {name}; rename one of them in Feast")
        if len(found) > 1:
            self._changed.append(Remark(feast, f"the entities {', '.join(one.name for one in found)} as one of theirs"))
        elif name != feast:
            self._changed.append(Remark(feast, f"the entity is called {name} here"))
        for one in found:
            if len(found) == 1 and (one.owner or one.tags):
                self._changed.append(Remark(feast, "the entity's owner and tags are dropped"))
        try:
            return Entity(name, key=tuple(one.key for one in found), description=_one(found))
        except InvalidInput as error:
            raise _Left(str(error.faults[0].fix)) from error

    def _view(self, view: FeastView) -> FeatureView:
        name = name_of(view.name)
        if view.code:
            raise _Left("code or other views make its values; declare a view of the results, or agg of their source")
        if not view.enabled:
            raise _Left("it is switched off in Feast")
        if name in self._views:
            raise _Left(f"there is another view of the name {name}; rename one of them in Feast")
        entity = self._entity(view.entities, view.key_types)
        source = self._source(view, entity)
        if name != view.name:
            self._changed.append(Remark(view.name, f"the view is called {name} here"))
        if view.stream is not None:
            reason = f"rows pushed to its {view.stream.kind} are not read, only its files; declare a StreamSource"
            self._left.append(Remark(f"{view.name} ({view.stream.name})", reason))
        ttl = ttl_of(view.ttl)
        fields = self._fields(view, name, None if ttl is None else view.ttl)
        known: Known = "event" if source.created else "arrival"
        if source.created:
            reason = f"rows count from when they were true, as in Feast; without known=, from {source.created} on"
            self._changed.append(Remark(view.name, reason))
        try:
            return FeatureView(
                name, entity=entity, source=source, fields=fields, ttl=ttl, owner=view.owner,
                description=view.description, tags=view.tags, known=known,
            )  # fmt: skip
        except InvalidInput as error:
            raise _Left(f"{error.faults[0].value}: {error.faults[0].fix}") from error

    def _source(self, view: FeastView, entity: Entity) -> ParquetSource | DeltaSource:
        source = view.source
        if source is None:
            raise _Left("it has no source to read")
        if source.kind != "FileSource":
            hint = f", query={source.query[:200]!r}" if source.query else ""
            raise _Left(f"its source is a {source.kind}; declare SqlSource(url=...{hint}) or export it to Parquet")
        if "://" in source.path and not source.path.startswith("file:///") and source.format != "DeltaFormat":
            raise _Left(
                f"its files are at {source.path}; Parquet files are read from a disk, Delta tables from anywhere"
            )
        renamed = [key for key in entity.keys if key in source.mapping.values()]
        if renamed:
            raise _Left(f"field_mapping renames its key {renamed[0]}; rename the column in the source")
        if not source.timestamp:
            raise _Left("its source names no timestamp_field; name it, or run `feast apply`, which finds it")
        back = {feast: column for column, feast in source.mapping.items()}
        kind = DeltaSource if source.format == "DeltaFormat" else ParquetSource
        timestamp, created = back.get(source.timestamp, source.timestamp), back.get(source.created, source.created)
        return kind(path=self._path(source), timestamp=timestamp, created="" if created == timestamp else created)

    def _path(self, source: FeastSource) -> str:
        path = source.path.removeprefix("file://") if source.path.startswith("file:///") else source.path
        if "://" in path or Path(path).is_absolute() or self._root is None:
            return path
        return os.path.relpath(f"{self._repository.folder}/{path}", self._root.resolve()).replace(os.sep, "/")

    def _fields(self, view: FeastView, name: str, ttl: int | None) -> tuple[Field, ...]:
        assert view.source is not None
        if not view.fields:
            raise _Left("its schema is empty; name its fields, or run `feast apply`, which finds them in the data")
        back = {feast: column for column, feast in view.source.mapping.items()}
        fields: dict[str, Field] = {}
        served: dict[str, Declared] = {}
        for one in view.fields:
            place, ours, kind = f"{view.name}:{one.name}", name_of(one.name), type_of(one.type, one.length)
            if kind is None:
                self._left.append(Remark(place, why_not(one.type)))
            elif ours in fields:
                self._left.append(Remark(place, f"there is another feature of the name {ours}; rename one in Feast"))
            else:
                fields[ours] = Field(ours, kind, column=back.get(one.name, one.name), description=one.description)
                served[place] = Declared(f"{name}.{ours}", kind, ttl)
                if ours != one.name:
                    self._changed.append(Remark(place, f"the feature is called {ours} here"))
                if one.tags:
                    self._changed.append(Remark(place, "its tags are dropped"))
        if not fields:
            raise _Left("none of its features can be taken over: " + why_not(view.fields[0].type))
        self._served |= served
        return tuple(fields.values())


def _one(found: list[FeastEntity]) -> str:
    return found[0].description if len(found) == 1 else ""
