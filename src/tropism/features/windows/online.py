"""Aggregates over windows as events arrive: tiles in one SQLite file.

A tile holds the states of all events of one key whose timestamps are in [start, start + hop). Events wait beside the
tiles until they have been known for `allowance`, so that a read may name a moment that is a little past.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

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
    from tropism.features.windows.plan import Row, Tiling
    from tropism.features.windows.states import State

_TILES = """SELECT key, start, states FROM tiles
WHERE view = ? AND hop = ? AND key IN (SELECT value FROM json_each(?)) AND start >= ? AND start < ?"""
# The plus keeps SQLite from going through all events that wait, by its index on `ready`.
_YOUNG = """SELECT key, event FROM young
WHERE view = ? AND key IN (SELECT value FROM json_each(?)) AND +ready < ?"""

Place = tuple[str, int]


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
    ) -> int:
        """Takes a batch of events into the tiles of views of one stream, all of it or, on an error, none.

        `events`: in the order of the source; times are datetimes or µs. Where the source has a `created` column, an
        event without a value there is known from now on. `offsets`: of the last event of each partition in the batch.
        `places`: the partition and offset of each event; those that a view already has are passed over. Without them,
        a batch can only be sent again whole: it is passed over by a view that has its offsets.

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
                Folding(connection, plan, now, self._allowance).apply(one, offsets, places)
                for plan, one in zip(plans, rows, strict=True)
            )

    def values(self, view: FeatureView, keys: Sequence[str], now: int) -> list[dict[str, Any]]:
        """The view's features by name for each key (`keys.key_text`), as `Column.to_pylist` gives them.

        They are the values at `now` (µs): of events that happened and were known before. For a moment more than the
        allowance before the last `apply` they are not exact.

        Raises:
            DataInvalid: a sum has too many digits.
            NotReady: the file cannot be read.
        """
        plan = self._plan(view)
        wanted = json.dumps(list(set(keys)))
        found = {key: plan.new() for key in keys}
        with self._file.transaction("DEFERRED") as connection:
            number = _number(connection, plan)
            tiles = [
                connection.execute(_TILES, (number, one.hop, wanted, floor(now - one.longest, one.hop), now)).fetchall()
                for one in plan.tilings
            ]
            young = connection.execute(_YOUNG, (number, wanted, now)).fetchall()
        recent: defaultdict[str, list[Row]] = defaultdict(list)
        for key, event in young:
            recent[key].append(waiting(event))
        for tiling, some in zip(plan.tilings, tiles, strict=True):
            _merge(tiling, some, recent, now, found)
        return [plan.values(found[key]) for key in keys]

    def offsets(self, view: FeatureView) -> dict[str, int]:
        """The last offset taken of each partition."""
        with self._file.transaction("DEFERRED") as connection:
            return offsets_of(connection, _number(connection, self._plan(view)))

    def drop(self, view: FeatureView) -> None:
        """Forgets a view, its offsets too."""
        with self._file.transaction("IMMEDIATE") as connection:
            number = _number(connection, self._plan(view))
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


def _number(connection: sqlite3.Connection, plan: Plan) -> int:
    found = connection.execute("SELECT id FROM views WHERE name = ?", (plan.name,)).fetchone()
    return int(found[0]) if found else -1


def _each(plan: Plan, events: Sequence[Mapping[str, Any]] | pa.Table) -> Iterable[Mapping[str, Any]]:
    return plan.events(events) if hasattr(events, "schema") else events


def _merge(
    tiling: Tiling,
    tiles: Iterable[tuple[str, int, bytes]],
    recent: Mapping[str, list[Row]],
    now: int,
    found: Mapping[str, list[State]],
) -> None:
    """Adds tiles and events to the states of each key, where they are in the window of the feature."""
    begins = [(one.place, one.part, floor(now - one.aggregation.length, tiling.hop)) for one in tiling.features]
    for key, start, packed in tiles:
        states, mine = tiling.unpack(packed), found[key]
        for place, part, begin in begins:
            if start >= begin:
                mine[place].merge(states[part])
    for key, rows in recent.items():
        young: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            young[floor(row[0], tiling.hop)].append(row)
        for start, some in young.items():
            states, mine = tiling.new(), found[key]
            tiling.fold(states, some)
            for place, part, begin in begins:
                if start >= begin:
                    mine[place].merge(states[part])
