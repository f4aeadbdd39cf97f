"""Reads features of entities as they are now: of views, of windows and on demand, together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.features.keys import key_text
from tropism.features.online.reader import OnlineReader, OnlineView, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.features.online.store import OnlineStore
    from tropism.features.store.definitions import Definitions, Named, StoredView
    from tropism.features.views import FeatureView
    from tropism.features.windows import WindowStore

    Keys = Mapping[str, Any]

NOBODY = "\0" * 513
"""A key that no entity can have: what is read for one whose key is missing."""


class Read(NamedTuple):
    """Features of one entity, or of several that were asked for together.

    `at`: the moment they are of, µs. `values`: by name, as `Column.to_pylist` of Arrow gives them. `known`: by stored
    view, how far it had come, µs. `statuses`: by view. Counts over windows are 0, not null, where there are no events.
    """

    at: int
    values: dict[str, Any]
    known: dict[str, int]
    statuses: dict[str, Status]


class FeatureReader:
    """Reads some features, whose stores may differ. Safe to use from many threads."""

    def __init__(
        self, definitions: Definitions, names: Sequence[str], online: OnlineStore, windows: WindowStore
    ) -> None:
        """`names`: as for `Definitions.find`.

        Raises:
            UnknownFeature: there is no such feature.
        """
        named = definitions.find_all(names)
        self.names = tuple(one.name for one in named)
        self._direct = {one.name: _place(one) for one in named if one.view is not None}
        computed = [definitions.on_demand[one.name] for one in named if one.view is None]
        needed = {one.name: definitions.needs(one) for one in computed}
        self._computed = [(one, {part.name: _place(part) for part in needed[one.name]}) for one in computed]
        read = [one for some in (named, *needed.values()) for one in some]
        self._views = {one.view.stored: one.view for one in read if one.view is not None}
        self._windows, self._windowed = windows, [one for one in self._views.values() if in_windows(one)]
        self._rows = [one for one in self._views.values() if not in_windows(one)]
        # Under their stored names, so that two versions of a view can be read together.
        views = [OnlineView.of(one.view, one.stored, one.dtypes) for one in self._rows]
        self._online = OnlineReader(online, [msgspec.structs.replace(view, name=view.stored) for view in views])
        stored = {one.stored for one in self._rows}
        wanted = [_place(one) for one in read if one.view is not None and one.view.stored in stored]
        self._stored_names = list(dict.fromkeys(wanted))
        self._nothing = {one.stored: of_no_events(one.view) for one in self._views.values() if one.view.windowed}
        self.remote = bool(self._rows) and online.remote

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that entities are named by."""
        return tuple(dict.fromkeys(key for one in self._views.values() for key in one.view.entity.keys))

    def read(
        self, keys: Sequence[Keys], requests: Sequence[Mapping[str, Any]], now: int, at: int | None = None
    ) -> list[Read]:
        """Features at the moment `at` (µs) for each of n requests, or at `now` where that moment is past: where
        something that was known only later has come in already.

        `keys`: of each request, by column; None where one is not known. `requests`: what on-demand features are
        computed from besides.

        Raises:
            InvalidInput: a key is neither text nor a whole number, or an on-demand feature fails.
            NotReady: a store is away.
        """
        found, since = self._found(keys, now if at is None else min(at, now))
        if at is not None and at < min(now, since):
            found, _ = self._found(keys, now)
        return [self._chosen(read, request) for read, request in zip(found, requests, strict=True)]

    def _found(self, keys: Sequence[Keys], now: int) -> tuple[list[Read], int]:
        """Values under `_place`, and from which moment on they can be read."""
        found = [Read(now, {}, {}, {}) for _ in keys]
        since = 0
        if self._rows:
            self._read_rows(found, keys, now)
            since = max((known for read in found for known in read.known.values()), default=0)
        for one in self._windowed:
            values, known, settled = self._windows.read(one.view, _texts(one, keys), now)
            since = max(since, known, settled)
            nothing = self._nothing[one.stored]
            for read, features in zip(found, values, strict=True):
                read.values.update({f"{one.stored}.{name}": value for name, value in features.items()})
                read.known[one.stored] = known
                read.statuses[one.view.name] = Status.MISSING if features == nothing else Status.PRESENT
        return found, since

    def _read_rows(self, found: list[Read], keys: Sequence[Keys], now: int) -> None:
        texts = {one.stored: _texts(one, keys) for one in self._rows}
        features = self._online.get(texts, self._stored_names, now, marks=True)
        known = features.known
        for place, (read, values) in enumerate(zip(found, features.rows(), strict=True)):
            read.values.update(values)
            for one in self._rows:
                upto = read.known[one.stored] = known[one.stored][place]
                status = read.statuses[one.view.name] = features.statuses[one.stored][place]
                if status is Status.MISSING and one.view.windowed and counted(one.view, upto, now):
                    nothing = self._nothing[one.stored]
                    read.values.update({f"{one.stored}.{name}": value for name, value in nothing.items()})

    def _chosen(self, read: Read, request: Mapping[str, Any]) -> Read:
        values = {name: read.values[place] for name, place in self._direct.items()}
        for one, needed in self._computed:
            given = {name: read.values[place] for name, place in needed.items()}
            values[one.name] = one.compute(values | given, request)
        return read._replace(values={name: values[name] for name in self.names})


def in_windows(one: StoredView) -> bool:
    """Whether its values are put together from tiles, rather than stored as rows."""
    return one.view.windowed and one.view.streamed


def of_no_events(view: FeatureView) -> dict[str, int | None]:
    """Windows that nothing is in: counts are 0, all else is null."""
    return {one.name: 0 if one.function in ("count", "distinct") else None for one in view.aggregations}


def counted(view: FeatureView, known: int, at: int) -> bool:
    """Whether windows that were filled at `known` still tell at `at` that an entity has no events: not before they
    were filled for the first time, nor when they are as old as the `ttl`."""
    return 0 < known <= at and (view.lifetime is None or at - known < view.lifetime)


def _place(one: Named) -> str:
    """Where the values of a feature of a view are among those that were read."""
    assert one.view is not None
    return f"{one.view.stored}.{one.name.partition('.')[2]}"


def _texts(one: StoredView, keys: Sequence[Keys]) -> list[str]:
    columns = one.view.entity.keys
    return [_text(columns, row) for row in keys]


def _text(columns: Sequence[str], row: Keys) -> str:
    missing = [column for column in columns if column not in row]
    if missing:
        faults = (Fault(f"keys.{column}", "missing", "send it, or null if it is not known") for column in missing)
        raise InvalidInput("a key is missing", *faults)
    return NOBODY if any(row[column] is None for column in columns) else key_text(columns, row)
