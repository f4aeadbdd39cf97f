"""Entities and feature views, as a project declares them in `project.py`."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.features.aggregations import Aggregation
from tropism.features.names import name_faults
from tropism.features.sources import AnySource, StreamSource
from tropism.features.types import Dtype, dtype, type_name

Known = Literal["arrival", "event"]


class Entity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What features are about, such as an account. `key`: the column that tells one from another, or several.

    Keys are compared as text: the number 17 and the text "17" are the same key. A key is text or a whole number, and
    never missing.

    >>> Entity("account", key="account_id").key
    ('account_id',)
    """

    name: str
    key: str | tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        key = (self.key,) if isinstance(self.key, str) else tuple(self.key)
        msgspec.structs.force_setattr(self, "key", key)
        faults = name_faults("name", self.name)
        faults += [fault for column in key for fault in name_faults("key", column, column=True)]
        if not key or len(set(key)) < len(key):
            faults.append(Fault("key", repr(key), "name at least one column, each once"))
        if faults:
            raise InvalidInput(f"the entity '{self.name}' is not valid", *faults)

    @property
    def keys(self) -> tuple[str, ...]:
        assert isinstance(self.key, tuple)
        return self.key


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="column"):
    """One feature that is read from its source as it is.

    `type`: `float`, `int`, `str`, `bool`, `datetime`, `Decimal(places)` or `Vector(size)`. `column`: in the source, if
    it has another name there.

    >>> Field("limit", "decimal(2)").dtype.scale
    2
    """

    name: str
    type: Any = float
    column: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "type", type_name(self.type))
        msgspec.structs.force_setattr(self, "column", self.column or self.name)
        faults = [*name_faults("name", self.name), *name_faults("column", self.column, column=True)]
        if faults:
            raise InvalidInput(f"the field '{self.name}' is not valid", *faults)

    @property
    def dtype(self) -> Dtype:
        return dtype(self.type)


class FeatureView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Features of one entity from one source: columns as they are (`Field`), or aggregates over windows of its events
    (`agg`), not both.

    `ttl`: how long a row counts after it became true; without it, for ever. `every`: how often it is materialised.
    `known`: `"arrival"` uses an event from when it arrived, as is done online, `"event"` from when it happened.
    """

    name: str
    entity: Entity
    source: AnySource
    fields: tuple[Field | Aggregation, ...]
    ttl: str | None = None
    every: str = "1d"
    known: Known = "arrival"
    owner: str = ""
    description: str = ""
    tags: dict[str, str] = {}

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "fields", tuple(self.fields))
        faults = [*name_faults("name", self.name), *_field_faults(self), *_time_faults(self)]
        if self.known not in ("arrival", "event"):
            faults.append(Fault("known", repr(self.known), "use 'arrival' or 'event'"))
        if isinstance(self.source, StreamSource):
            faults += _stream_faults(self, self.source)
        if faults:
            raise InvalidInput(f"the feature view '{self.name}' is not valid", *faults)

    @property
    def windowed(self) -> bool:
        """Whether its features are aggregates."""
        return isinstance(self.fields[0], Aggregation)

    @property
    def streamed(self) -> bool:
        """Whether it is fed by events as they come."""
        return isinstance(self.source, StreamSource)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its features, without the view's."""
        return tuple(field.name for field in self.fields)

    @property
    def plain(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if isinstance(field, Field))

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        return tuple(field for field in self.fields if isinstance(field, Aggregation))

    @property
    def lifetime(self) -> int | None:
        """The `ttl` in µs."""
        return None if self.ttl is None else parse_duration(self.ttl, "ttl")

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of its source that it reads, each once: keys, times, then those of its features."""
        read = [*self.entity.keys, self.source.timestamp, self.source.created, *(one.column for one in self.fields)]
        return tuple(column for column in dict.fromkeys(read) if column)

    @property
    def fingerprint(self) -> str:
        """Equal for views that give equal values: what is said about them does not count, nor do columns unread."""
        replace, source = msgspec.structs.replace, self.source
        if isinstance(source, StreamSource):
            source = replace(source, schema={column: source.schema[column] for column in self.columns}, rules=())
        else:
            source = replace(source, rules=())
        bare = replace(
            self,
            entity=replace(self.entity, description=""),
            source=source,
            fields=tuple(replace(one, description="") if isinstance(one, Field) else one for one in self.fields),
            owner="",
            description="",
            tags={},
            every="1d",
        )
        return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:16]


def _field_faults(view: FeatureView) -> list[Fault]:
    faults: list[Fault] = []
    kinds = {isinstance(field, Aggregation) for field in view.fields}
    if len(kinds) != 1:
        fix = "name at least one feature" if not kinds else "put the aggregates into a view of their own"
        faults.append(Fault("fields", f"{len(view.fields)} fields", fix))
    names = [field.name for field in view.fields]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault("fields", repr(name), "name each feature once"))
    return faults


def _time_faults(view: FeatureView) -> list[Fault]:
    faults: list[Fault] = []
    for field, text in (("ttl", view.ttl), ("every", view.every)):
        if text is None:
            continue
        try:
            length = parse_duration(text, field)
        except InvalidInput as error:
            faults += error.faults
            continue
        if length <= 0:
            faults.append(Fault(field, repr(text), "use a time above 0, such as 30d"))
    return faults


def _stream_faults(view: FeatureView, source: StreamSource) -> list[Fault]:
    faults: list[Fault] = []
    for column in view.entity.keys:
        if source.schema.get(column) not in ("text", "integer"):
            faults.append(Fault(f"schema.{column}", source.schema.get(column, "missing"), "a key is str or int"))
    for field in view.fields:
        if not field.column:
            continue
        if field.column not in source.schema:
            faults.append(Fault(f"fields.{field.name}", repr(field.column), "the stream has no such column"))
        elif isinstance(field, Aggregation):
            faults += _result_faults(field, dtype(source.schema[field.column]))
        elif source.schema[field.column] != field.type:
            fix = f"make it {source.schema[field.column]}, as in the schema"
            faults.append(Fault(f"fields.{field.name}.type", str(field.type), fix))
    return faults


def _result_faults(field: Aggregation, column: Dtype) -> list[Fault]:
    try:
        field.result(column)
    except InvalidInput as error:
        return [Fault(f"fields.{field.name}", fault.value, fault.fix) for fault in error.faults]
    return []
