"""Reads the features of entities as they are now, over several views at once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, UnknownFeature
from tropism.features.online.layout import VERSION, head
from tropism.features.online.packing import Packing
from tropism.features.types import Dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tropism.features.online.store import OnlineStore
    from tropism.features.views import FeatureView

    Keys = Sequence[str] | Mapping[str, Sequence[str]]

_FIRST = -(2**63)
_MOST_PLANS = 1_000


class Status(StrEnum):
    """Of an entity in a view. Only one that is PRESENT has values, and each of them may be null."""

    PRESENT = "PRESENT"
    MISSING = "MISSING"
    """Never written, or no longer kept, or not true yet, or stored in a way that cannot be read."""
    EXPIRED = "EXPIRED"
    """The row is as old as the view's `ttl`, or older."""


class OnlineView(msgspec.Struct, frozen=True):
    """What the online store knows of a view. `stored`: its name there, with its version. `ttl`: µs, None for ever."""

    name: str
    stored: str
    names: tuple[str, ...]
    dtypes: tuple[Dtype, ...]
    ttl: int | None = None

    @classmethod
    def of(cls, view: FeatureView, stored: str) -> OnlineView:
        """Of a view of fields as they are."""
        return cls(view.name, stored, view.names, tuple(field.dtype for field in view.plain), view.lifetime)


class _Part:
    """A view that is read: which of its features, and how its rows are judged."""

    def __init__(self, view: OnlineView, packing: Packing, places: list[int]) -> None:
        self.view, self.packing, self.places = view, packing, places
        self.nothing: list[Any] = [None] * len(view.names)

    def judged(self, rows: list[bytes | None], now: int) -> tuple[list[bytes | None], list[Status]]:
        """The rows that count, None for the others; and the status of each. Rows of one version sort by time."""
        ttl = self.view.ttl
        oldest = bytes((VERSION,)) if ttl is None else head(max(now - ttl + 1, _FIRST), _FIRST)
        later = head(now + 1, _FIRST)
        live = [row if row is not None and oldest <= row < later else None for row in rows]
        present = [row for row in live if row is not None]
        if not self.packing.sound(present):
            live = [row if row is not None and self.packing.sound((row,)) else None for row in live]
        elif len(present) == len(live):
            return live, [Status.PRESENT] * len(live)
        return live, [self._status(row, alive, later) for row, alive in zip(rows, live, strict=True)]

    def _status(self, row: bytes | None, alive: bytes | None, later: bytes) -> Status:
        if alive is not None:
            return Status.PRESENT
        if row is None or row >= later or not self.packing.sound((row,)):
            return Status.MISSING
        return Status.EXPIRED

    def unfit(self, rows: list[bytes | None]) -> int:
        return sum(row is not None and not self.packing.sound((row,)) for row in rows)


class _Plan:
    """How features asked for by name are gathered from the views."""

    def __init__(self, views: Mapping[str, tuple[OnlineView, Packing]], names: Sequence[str]) -> None:
        import pyarrow as pa

        self.names = tuple(dict.fromkeys(names))
        wanted: dict[str, list[int]] = {}
        spots: list[tuple[str, int]] = []
        for name in self.names:
            view, place = _found(views, name)
            places = wanted.setdefault(view.name, [])
            spots.append((view.name, len(places)))
            places.append(place)
        self.parts = [_Part(*views[name], places) for name, places in wanted.items()]
        # Where each feature is among all values of all parts, and among the arrays of those asked for.
        starts, begins, value, array = {}, {}, 0, 0
        for part in self.parts:
            starts[part.view.name], begins[part.view.name] = value, array
            value, array = value + len(part.view.names), array + len(part.places)
        chosen = [starts[name] + wanted[name][spot] for name, spot in spots]
        # With one too many at its end, because of one alone `itemgetter` makes no tuple.
        self.pick = None if chosen == list(range(value)) else itemgetter(*chosen, 0)
        self.arrays = [begins[name] + spot for name, spot in spots]
        types = [views[name][0].dtypes[wanted[name][spot]].arrow() for name, spot in spots]
        self.schema: pa.Schema = pa.schema(list(zip(self.names, types, strict=True)))


class Features:
    """What was read, in the order asked. Values are taken apart only when they are asked for."""

    def __init__(
        self,
        plan: _Plan,
        found: list[list[bytes | None]],
        live: list[list[bytes | None]],
        statuses: dict[str, list[Status]],
    ) -> None:
        self._plan = plan
        self._found = found
        self._live = live
        self.names = plan.names
        self.statuses = statuses
        """For each view that was read, the status of each entity."""

    @property
    def unfit(self) -> int:
        """Stored rows that are of another layout or damaged, and so read as missing."""
        return sum(part.unfit(rows) for part, rows in zip(self._plan.parts, self._found, strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """A value for each name and entity, as `Column.to_pylist` of Arrow gives them."""
        names, pick = self.names, self._plan.pick
        parts = [
            [part.nothing if row is None else part.packing.values(row) for row in live]
            for part, live in zip(self._plan.parts, self._live, strict=True)
        ]
        rows = (
            parts[0]
            if len(parts) == 1
            else [[value for some in row for value in some] for row in zip(*parts, strict=True)]
        )
        if pick is None:
            return [dict(zip(names, row, strict=True)) for row in rows]
        return [dict(zip(names, pick(row), strict=False)) for row in rows]

    def table(self) -> pa.Table:
        """A column for each name, a row for each entity."""
        import pyarrow as pa

        arrays = []
        for part, live in zip(self._plan.parts, self._live, strict=True):
            arrays += part.packing.columns(live, part.places)
        return pa.Table.from_arrays([arrays[place] for place in self._plan.arrays], schema=self._plan.schema)


class OnlineReader:
    """Reads views from one store. Safe to use from many threads."""

    def __init__(self, store: OnlineStore, views: Sequence[OnlineView]) -> None:
        self._store = store
        self._views = {view.name: (view, Packing(view.dtypes)) for view in views}
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def get(self, keys: Keys, names: Sequence[str], now: int) -> Features:
        """Features `view.feature` of entities at the moment `now` (µs), in one round trip.

        `keys`: of the entities, as `key_text` gives them; or such a list for each view by its name, of equal lengths,
        where the views are of different entities. A row that is not yet true at `now`, is too old, or is of another
        layout, gives nulls; `Features.statuses` tells why.

        Raises:
            UnknownFeature: a name is none of the views'.
            InvalidInput: no names, no keys for a view, or a key that is no text.
            NotReady: the store is away.
        """
        plan = self._plan(tuple(names))
        by_view = [_keys(keys, part.view.name) for part in plan.parts]
        if len({len(some) for some in by_view}) > 1:
            lengths = ", ".join(str(len(some)) for some in by_view)
            raise InvalidInput("the lists of keys differ in length", Fault("keys", lengths, "send a key for each row"))
        found = self._store.read([(part.view.stored, some) for part, some in zip(plan.parts, by_view, strict=True)])
        live, statuses = [], {}
        for part, rows in zip(plan.parts, found, strict=True):
            some, statuses[part.view.name] = part.judged(rows, now)
            live.append(some)
        return Features(plan, found, live, statuses)

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(names)
        if plan is None:
            plan = _Plan(self._views, names)
            if not plan.names:
                raise InvalidInput("no features are asked for", Fault("names", "none", "name at least one"))
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan


def _keys(keys: Keys, view: str) -> Sequence[str]:
    if not isinstance(keys, Mapping):
        return keys
    if view not in keys:
        raise InvalidInput("a view has no keys", Fault("keys", repr(view)[:80], "send the keys of its entity"))
    return keys[view]


def _found(views: Mapping[str, tuple[OnlineView, Packing]], name: str) -> tuple[OnlineView, int]:
    view, _, feature = name.partition(".")
    if view in views and feature in views[view][0].names:
        return views[view][0], views[view][0].names.index(feature)
    known = [f"{view}.{one}" for one in views[view][0].names] if view in views else sorted(views)
    fault = Fault("names", repr(name)[:80], f"use one of: {', '.join(known)[:200] or 'none'}")
    raise UnknownFeature("there is no such feature", fault)
