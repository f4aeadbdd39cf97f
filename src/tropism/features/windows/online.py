"""Aggregates over windows as events arrive: tiles in one SQLite file.

A tile holds the states of all events of one key whose timestamps are in [start, start + hop). Events wait beside the
tiles until they have been known for `allowance`, so that a read may name a moment that is a little past.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import SECOND, Clock, SystemClock
from tropism.core.errors import Fault, InvalidInput
from tropism.features.windows.file import TileFile
from tropism.features.windows.folding import Folding, floor, offsets_of, waiting
from tropism.features.windows.plan import Plan

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from tropism.features.views import FeatureView
    from tropism.features.windows.plan import Row

_TILES = "SELECT start, states FROM tiles WHERE view = ? AND hop = ? AND key = ? AND start >= ? AND start < ?"
# The plus keeps SQLite from going through all events that wait, by its index on `ready`.
_YOUNG = "SELECT event FROM young WHERE view = ? AND key = ? AND +ready < ?"
_decode = msgspec.msgpack.decode

Place = tuple[str, int]
Tile = tuple[int, bytes]


class WindowRead(NamedTuple):
    """Features of some keys. `known`: up to which moment (µs) the view had all that arrived; 0 if it never said.
    `since`: values are exact for moments from this one on (µs)."""

    values: list[dict[str, Any]]
    known: int
    since: int


class WindowStore:
    """Tiles of any number of views, and how far each view has come in its source.

    Whatever `apply` took is whole after a kill -9, offsets with it. A power cut may undo the last batches, offsets with
    them: the source must be able to send them again. Safe for threads, and for processes that share the file.
    """

    def __init__(self, path: Path, clock: Clock | None = None, allowance: int = SECOND) -> None:
        """`clock`: tells when events are applied. `allowance`: how far before an `apply` a read's moment may
        be, in µs.

        Raises:
            NotWritable: the file cannot be opened.
        """
        self._file = TileFile(path)
        self._clock = clock or SystemClock()
        self._allowance = allowance
        self._plans: dict[int, Plan] = {}

    def apply(
        self,
        views: Sequence[FeatureView],
        events: Sequence[Mapping[str, Any]] | pa.Table,
        offsets: Mapping[str, int],
        places: Sequence[Place] | None = None,
        *,
        known: int | None = None,
    ) -> int:
        """Takes a batch of events into the tiles of views of one stream, all of it or, on an error, none.

        `events`: in the order of the source; times are datetimes or µs. Where the source has a `created` column, an
        event without a value there is known from now on. `offsets`: of the last event of each partition in the batch.
        `places`: the partition and offset of each event; those that a view already has are passed over. Without them,
        a batch can only be sent again whole: it is passed over by a view that has its offsets. `known`: up to which
        moment (µs) the views have, with this batch, all that arrived; it is stored with the batch and handed out with
        values. Events of one moment of arrival belong into one batch.

        Returns how many events were taken, added up over the views.

        Raises:
            InvalidInput: an event does not fit the stream's schema, or a part of the batch was taken before and
                `places` is missing.
            DataInvalid: a column of an Arrow table does not fit it.
            DiskFull, NotReady, NotWritable: the file cannot be written.
        """
        now = self._clock.now()
        plans = [self._plan(view) for view in views]
        if places is not None and len(places) != len(events):
            fault = Fault("places", str(len(places)), f"name one for each of the {len(events)} events")
            raise InvalidInput("the places do not match the events", fault)
        rows = [[plan.row(event, now) for event in _each(plan, events)] for plan in plans]
        with self._file.transaction("IMMEDIATE") as connection:
            return sum(
                Folding(connection, plan, now, self._allowance).apply(one, offsets, places, known or 0)
                for plan, one in zip(plans, rows, strict=True)
            )

    def read(self, view: FeatureView, keys: Sequence[str], now: int) -> WindowRead:
        """The view's features by name for each key (`keys.key_text`), and what it had when they were read.

        Values are those at `now` (µs): of events that happened and were known before, as `Column.to_pylist` gives
        them. For a moment more than the allowance before the last `apply` or `settle` they are not exact.
        `window_values(..., known=...)` gives the same ones of the history.

        Raises:
            DataInvalid: a sum has too many digits.
            NotReady: the file cannot be read.
        """
        plan = self._plan(view)
        stored: dict[str, tuple[list[list[Tile]], list[tuple[bytes]]]] = {}
        with self._file.transaction("DEFERRED") as connection:
            number, known, since = _state(connection, plan)
            spans = [(one.hop, floor(now - one.longest, one.hop)) for one in plan.tilings]
            execute = connection.execute
            for key in dict.fromkeys(keys):
                tiles = [execute(_TILES, (number, hop, key, begin, now)).fetchall() for hop, begin in spans]
                stored[key] = (tiles, execute(_YOUNG, (number, key, now)).fetchall())
        found = {key: _merged(plan, *some, now) for key, some in stored.items()}
        return WindowRead([dict(found[key]) for key in keys], known, since)

    def values(self, view: FeatureView, keys: Sequence[str], now: int) -> list[dict[str, Any]]:
        """The values that `read` gives. Raises as it does."""
        return self.read(view, keys, now).values

    def settle(self, views: Sequence[FeatureView]) -> bool:
        """Takes events that have waited for the allowance into the tiles, as `apply` does with the next batch: reads
        are slow while many wait. Returns whether any still wait.

        Raises:
            DiskFull, NotReady, NotWritable: the file cannot be written.
        """
        plans, now = [self._plan(view) for view in views], self._clock.now()
        with self._file.transaction("IMMEDIATE") as connection:
            waiting = [Folding(connection, plan, now, self._allowance).settle() for plan in plans]
        return any(waiting)

    def offsets(self, view: FeatureView) -> dict[str, int]:
        """The last offset taken of each partition."""
        with self._file.transaction("DEFERRED") as connection:
            return offsets_of(connection, _state(connection, self._plan(view))[0])

    def drop(self, view: FeatureView) -> None:
        """Forgets a view, its offsets too."""
        with self._file.transaction("IMMEDIATE") as connection:
            number, *_ = _state(connection, self._plan(view))
            for table in ("tiles", "young", "offsets"):
                connection.execute(f"DELETE FROM {table} WHERE view = ?", (number,))
            connection.execute("DELETE FROM views WHERE id = ?", (number,))

    def close(self) -> None:
        self._file.close()

    def _plan(self, view: FeatureView) -> Plan:
        plan = self._plans.get(id(view))
        if plan is None:  # it holds the view, so that the id stays its own
            plan = self._plans[id(view)] = Plan(view)
        return plan


def _state(connection: sqlite3.Connection, plan: Plan) -> tuple[int, int, int]:
    """The view's number, how far it has come, and from when on it can be read."""
    found = connection.execute("SELECT id, known, settled FROM views WHERE name = ?", (plan.name,)).fetchone()
    return found or (-1, 0, 0)


def _each(plan: Plan, events: Sequence[Mapping[str, Any]] | pa.Table) -> Iterable[Mapping[str, Any]]:
    return plan.events(events) if hasattr(events, "schema") else events


def _merged(plan: Plan, tiles: Sequence[Iterable[Tile]], young: Iterable[tuple[bytes]], now: int) -> dict[str, Any]:
    """The features of one key from its tiles, by hop, and the events that wait beside them."""
    found, recent = plan.new(), [waiting(event) for (event,) in young]
    for tiling, some in zip(plan.tilings, tiles, strict=True):
        begins = [
            (found[one.place], one.part, floor(now - one.aggregation.length, tiling.hop)) for one in tiling.features
        ]
        for start, packed in some:
            parts = _decode(packed)
            for state, part, begin in begins:
                if start >= begin:
                    state.absorb(parts[part])
        grouped: defaultdict[int, list[Row]] = defaultdict(list)
        for row in recent:
            grouped[floor(row[0], tiling.hop)].append(row)
        for start, rows in grouped.items():
            states = tiling.new()
            tiling.fold(states, rows)
            for state, part, begin in begins:
                if start >= begin:
                    state.merge(states[part])
    return plan.values(found)
