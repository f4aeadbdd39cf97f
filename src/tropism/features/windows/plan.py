"""What a `WindowStore` keeps for a view: which states a tile of each hop has, and which features come of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput
from tropism.features.keys import key_text
from tropism.features.sources import StreamSource
from tropism.features.types import Dtype, dtype
from tropism.features.windows.history import column
from tropism.features.windows.states import STATES, Distinct, State, stored
from tropism.features.windows.values import inner, moment, outer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tropism.features.aggregations import Aggregation
    from tropism.features.views import FeatureView

Row = tuple[int, int, int, list[Any]]
"""An event: timestamp, when it is known (µs), position, values of the plan's columns."""
_COUNTED = Dtype("integer")
_decode = msgspec.msgpack.decode


class Part(NamedTuple):
    """A state of a tile: its class, the place of its column (-1: the event itself) and the column's type."""

    state: type[State]
    column: int
    kind: Dtype


class Feature(NamedTuple):
    """A feature: its place among those of the view, its window, and the place of its state in the tile."""

    place: int
    aggregation: Aggregation
    part: int


class Tiling(NamedTuple):
    """The tiles of one hop (µs) and what is computed of them; `longest`: of their windows."""

    hop: int
    longest: int
    parts: tuple[Part, ...]
    features: tuple[Feature, ...]

    def new(self) -> list[State]:
        return [part.state() for part in self.parts]

    def fold(self, states: list[State], rows: Iterable[Row]) -> None:
        """Adds events to the states of a tile."""
        parts = [(state.add, part.column, part) for state, part in zip(states, self.parts, strict=True)]
        for timestamp, known, position, values in rows:
            order = (timestamp, known, position)
            for add, place, part in parts:
                if place < 0:
                    add(None, order)
                elif (value := values[place]) is not None:
                    add(stored(part.state, part.kind, value) if part.state is Distinct else value, order)

    def pack(self, states: list[State]) -> bytes:
        return msgspec.msgpack.encode([state.packed() for state in states])

    def unpack(self, packed: bytes) -> list[State]:
        return [part.state.unpacked(one) for part, one in zip(self.parts, _decode(packed), strict=True)]


class Plan:
    """Made once for a view."""

    def __init__(self, view: FeatureView) -> None:
        """Raises `InvalidInput` for a view that has no windows or is not fed by a stream."""
        if not view.windowed or not isinstance(view.source, StreamSource):
            fix = "use a view of aggregations over a StreamSource"
            raise InvalidInput(f"the view '{view.name}' has no tiles", Fault("view", view.name, fix))
        self.view, self.source = view, view.source
        self.name = f"{view.name}@{view.fingerprint}"
        self.columns = sorted({one.column for one in view.aggregations} - {""})
        self._kinds = [(name, dtype(self.source.schema[name])) for name in self.columns]
        hops = sorted({one.step for one in view.aggregations})
        self.tilings = tuple(self._tiling(hop) for hop in hops)

    def _tiling(self, hop: int) -> Tiling:
        parts: dict[Part, int] = {}
        features = []
        for place, one in enumerate(self.view.aggregations):
            if one.step == hop:
                index = self.columns.index(one.column) if one.column else -1
                kind = self._kinds[index][1] if one.column else _COUNTED
                part = Part(STATES[one.function], index, kind)
                features.append(Feature(place, one, parts.setdefault(part, len(parts))))
        longest = max(feature.aggregation.length for feature in features)
        return Tiling(hop, longest, tuple(parts), tuple(features))

    def row(self, event: Mapping[str, Any], now: int) -> tuple[str, int, int, list[Any]]:
        """Key, timestamp, time known and values of an event. Raises `InvalidInput` naming the field."""
        timestamp = known = moment(self.source.timestamp, event.get(self.source.timestamp))
        if self.source.created:
            created = event.get(self.source.created)
            known = max(timestamp, now if created is None else moment(self.source.created, created))
        values = [inner(name, kind, event.get(name)) for name, kind in self._kinds]
        return key_text(self.view.entity.keys, event), timestamp, known, values

    def events(self, table: pa.Table) -> Iterator[Mapping[str, Any]]:
        """The rows of an Arrow table with the columns that the plan needs. Raises `DataInvalid` for a wrong one."""
        taken: dict[str, pa.Array] = {key: table[key] for key in self.view.entity.keys if key in table.column_names}
        for name in (self.source.timestamp, self.source.created):
            if name and name in table.column_names:
                taken[name] = column(self.view, table, name).array.cast(pa.int64())
        for name in self.columns:
            taken.setdefault(name, column(self.view, table, name).array)
        yield from pa.table(taken).to_pylist()

    def new(self) -> list[State]:
        """A state for each feature, of no events."""
        places = {one.place: tiling.parts[one.part].state() for tiling in self.tilings for one in tiling.features}
        return [places[place] for place in range(len(places))]

    def values(self, states: Sequence[State]) -> dict[str, Any]:
        """Features by name, from a state for each."""
        found: list[Any] = [None] * len(self.view.names)
        for tiling in self.tilings:
            for place, one, part in tiling.features:
                kind = tiling.parts[part].kind
                value = states[place].value(one, kind)
                found[place] = outer(one.result(kind), value)
        return dict(zip(self.view.names, found, strict=True))
