"""Reads the features of entities as they are now, over several views at once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, UnknownFeature
from tropism.features.online.layout import VERSION, head, times
from tropism.features.online.marks import MARKS, moment_of
from tropism.features.online.packing import Packing
from tropism.features.online.unpacking import by_name
from tropism.features.types import Dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    """What the online store knows of a view. `stored`: its name there, with its version. `ttl`: µs, None for ever.
    `streamed`: its rows were created when they were taken in, also those that were not true yet."""

    name: str
    stored: str
    names: tuple[str, ...]
    dtypes: tuple[Dtype, ...]
    ttl: int | None = None
    streamed: bool = False

    @classmethod
    def of(cls, view: FeatureView, stored: str, dtypes: Sequence[Dtype] | None = None) -> OnlineView:
        """`dtypes`: of its features; those of a view of fields as they are if not given."""
        kinds = [field.dtype for field in view.plain] if dtypes is None else dtypes
        return cls(view.name, stored, view.names, tuple(kinds), view.lifetime, view.streamed)


class _Part:
    """A view that is read: which of its features, and how its rows are judged."""

    def __init__(self, view: OnlineView, packing: Packing, places: list[int]) -> None:
        self.view, self.packing, self.places = view, packing, places
        self._unpacking = packing.unpacking(places)
        self._nothing: Sequence[Any] = [None] * len(places)

    def judged(self, rows: list[bytes | None], now: int) -> tuple[list[bytes | None], list[Status]]:
        """The rows that count, None for the others; and the status of each. Rows of one version sort by time."""
        ttl = self.view.ttl
        oldest = bytes((VERSION,)) if ttl is None else head(max(now - ttl + 1, _FIRST), _FIRST)
        later = head(now + 1, _FIRST)
        present = [row for row in rows if row is not None]
        # Of many rows the first and the last in time tell of all.
        current = present and len(present) == len(rows) and oldest <= min(present) and max(present) < later
        if current and self.packing.sound(present):
            return rows, [Status.PRESENT] * len(rows)
        live = [row if row is not None and oldest <= row < later else None for row in rows]
        if not self.packing.sound([row for row in live if row is not None]):
            live = [row if row is not None and self.packing.sound((row,)) else None for row in live]
        judged = zip(rows, live, strict=True)
        return live, [self._gone(row, later) if alive is None else Status.PRESENT for row, alive in judged]

    def _gone(self, row: bytes | None, later: bytes) -> Status:
        if row is None or row >= later or not self.packing.sound((row,)):
            return Status.MISSING
        return Status.EXPIRED

    def values(self, live: list[bytes | None]) -> list[Sequence[Any]]:
        """The features asked for, for each row."""
        present = [row for row in live if row is not None]
        found = self._unpacking.values(present)
        if len(present) == len(live):
            return found
        each = iter(found)
        return [self._nothing if row is None else next(each) for row in live]

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
        # Where each feature is among those that the parts give, one part after the other.
        begins, end = {}, 0
        for part in self.parts:
            begins[part.view.name] = end
            end += len(part.places)
        self.order = [begins[name] + spot for name, spot in spots]
        self.pick = None if self.order == list(range(end)) else itemgetter(*self.order)
        self.named = by_name(self.names)
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
        marks: list[bytes | None],
    ) -> None:
        self._plan = plan
        self._marks = marks
        self._found = found
        self._live = live
        self.names = plan.names
        self.statuses = statuses
        """For each view that was read, the status of each entity."""

    @property
    def known(self) -> dict[str, list[int]]:
        """For each view, up to which moment (µs) everything known of an entity is in what was read of it.

        A row may have been written after the view was marked last: then it is known up to when that row was.
        """
        found = {}
        for part, rows, mark in zip(self._plan.parts, self._found, self._marks, strict=True):
            least, begin = moment_of(mark), int(part.view.streamed)
            found[part.view.name] = [least if row is None else max(least, *times(row)[begin:]) for row in rows]
        return found

    @property
    def unfit(self) -> int:
        """Stored rows that are of another layout or damaged, and so read as missing."""
        return sum(part.unfit(rows) for part, rows in zip(self._plan.parts, self._found, strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """A value for each name and entity, as `Column.to_pylist` of Arrow gives them."""
        rows: Iterable[Sequence[Any]]
        rows, *others = [part.values(live) for part, live in zip(self._plan.parts, self._live, strict=True)]
        if others:
            rows = [list(chain.from_iterable(row)) for row in zip(rows, *others, strict=True)]
        if self._plan.pick is not None:
            rows = map(self._plan.pick, rows)
        return self._plan.named(rows)

    def table(self) -> pa.Table:
        """A column for each name, a row for each entity."""
        import pyarrow as pa

        arrays = []
        for part, live in zip(self._plan.parts, self._live, strict=True):
            arrays += part.packing.columns(live, part.places)
        return pa.Table.from_arrays([arrays[place] for place in self._plan.order], schema=self._plan.schema)


class OnlineReader:
    """Reads views from one store. Safe to use from many threads."""

    def __init__(self, store: OnlineStore, views: Sequence[OnlineView]) -> None:
        self._store = store
        self._views = {view.name: (view, Packing(view.dtypes)) for view in views}
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def get(self, keys: Keys, names: Sequence[str], now: int, *, marks: bool = False) -> Features:
        """Features `view.feature` of entities at the moment `now` (µs), in one round trip. `marks`: with how far the
        views have come, for `Features.known`.

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
        wanted = [(part.view.stored, some) for part, some in zip(plan.parts, by_view, strict=True)]
        marked: list[bytes | None] = [None] * len(wanted)
        if marks:
            *found, marked = self._store.read([*wanted, (MARKS, [stored for stored, _ in wanted])])
        else:
            found = self._store.read(wanted)
        live, statuses = [], {}
        for part, rows in zip(plan.parts, found, strict=True):
            some, statuses[part.view.name] = part.judged(rows, now)
            live.append(some)
        return Features(plan, found, live, statuses, marked)

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(names)
        if plan is None:
            if not names:
                raise InvalidInput("no features are asked for", Fault("names", "none", "name at least one"))
            plan = _Plan(self._views, names)
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
