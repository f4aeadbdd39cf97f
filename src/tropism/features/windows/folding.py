"""One view's part in a write to a `WindowStore`: its tiles, the events that wait, its offsets."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from tropism.features.windows.plan import Plan, Row, Tiling

    Incoming = tuple[str, int, int, list[Any]]
    Places = Sequence[tuple[str, int]]
    Keyed = tuple[str, Row]

_OFFSET = """INSERT INTO offsets (view, part, offset) VALUES (?, ?, ?)
ON CONFLICT (view, part) DO UPDATE SET offset = max(offset, excluded.offset)"""
_SETTLED = "UPDATE views SET settled = max(settled, ?) WHERE id = ?"
_TILE = "SELECT states FROM tiles WHERE view = ? AND hop = ? AND key = ? AND start = ?"
_KEEP = """INSERT INTO tiles (view, hop, key, start, states) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (view, hop, key, start) DO UPDATE SET states = excluded.states"""
_OLD = "DELETE FROM tiles WHERE view = ? AND hop = ? AND start < ?"
_WAIT = "INSERT INTO young (view, key, position, ready, event) VALUES (?, ?, ?, ?, ?)"
_RIPE = "SELECT key, event FROM young WHERE view = ? AND ready < ? ORDER BY position"
_FOLDED = "DELETE FROM young WHERE view = ? AND ready < ?"
_KNOWN = "UPDATE views SET known = max(known, ?) WHERE id = ?"
_decode = msgspec.msgpack.decode
_encode = msgspec.msgpack.encode


def floor(moment: int, hop: int) -> int:
    """The multiple of the hop at or before a moment.

    >>> floor(7, 5), floor(-1, 5)
    (5, -5)
    """
    return moment // hop * hop


def waiting(event: bytes) -> Row:
    """An event that waits beside the tiles."""
    timestamp, known, position, values = _decode(event)
    return timestamp, known, position, [int(one) if type(one) is bytes else one for one in values]


def offsets_of(connection: sqlite3.Connection, view: int) -> dict[str, int]:
    """The last offset of each partition that a view has taken."""
    return dict(connection.execute("SELECT part, offset FROM offsets WHERE view = ?", (view,)))


class Folding:
    """A view within one write transaction."""

    def __init__(self, connection: sqlite3.Connection, plan: Plan, now: int, allowance: int) -> None:
        self._connection, self._plan, self._now, self._allowance = connection, plan, now, allowance
        connection.execute("INSERT OR IGNORE INTO views (name, applied) VALUES (?, 0)", (plan.name,))
        found = connection.execute("SELECT id, applied, latest FROM views WHERE name = ?", (plan.name,))
        self._view, self._applied, self._latest = found.fetchone()

    def apply(self, rows: Sequence[Incoming], offsets: Mapping[str, int], places: Places | None, upto: int) -> int:
        """Takes the events that the view does not have yet, and says how many they were. `upto`: as `known` of
        `WindowStore.apply`."""
        if upto:
            self._connection.execute(_KNOWN, (upto, self._view))
        fresh = self._fresh(rows, offsets, places)
        reached = dict(offsets)
        for part, offset in places or ():
            reached[part] = max(offset, reached.get(part, offset))
        self._connection.executemany(_OFFSET, [(self._view, part, offset) for part, offset in reached.items()])
        if not fresh:
            return 0
        # A time of knowing that lies ahead must not push the tiles of today out.
        latest = min(self._now, max(known for _, _, known, _ in fresh))
        self._latest = latest if self._latest is None else max(latest, self._latest)
        ripe = self._ripe()
        ripe += self._split(fresh)
        for tiling in self._plan.tilings:
            self._fold(tiling, ripe)
        execute, view = self._connection.execute, self._view
        execute("UPDATE views SET applied = ?, latest = ? WHERE id = ?", (self._applied, self._latest, view))
        self._settled()
        return len(fresh)

    def settle(self) -> bool:
        """Takes events that have waited long enough into the tiles, and says whether any still wait."""
        execute, view = self._connection.execute, self._view
        ripe = [] if self._latest is None else self._ripe()
        for tiling in self._plan.tilings if ripe else ():
            self._fold(tiling, ripe)
        if ripe:
            self._settled()
        return bool(execute("SELECT EXISTS (SELECT 1 FROM young WHERE view = ?)", (view,)).fetchone()[0])

    def _settled(self) -> None:
        self._connection.execute(_SETTLED, (self._now - self._allowance, self._view))

    def _fresh(self, rows: Sequence[Incoming], offsets: Mapping[str, int], places: Places | None) -> Sequence[Incoming]:
        have = offsets_of(self._connection, self._view)
        if places is not None:
            fresh = []
            for row, (part, offset) in zip(rows, places, strict=True):
                if offset > have.get(part, offset - 1):
                    have[part] = offset
                    fresh.append(row)
            return fresh
        known = [offset <= have.get(part, offset - 1) for part, offset in offsets.items()]
        if any(known) and not all(known):
            fix = "send places, the partition and offset of each event"
            raise InvalidInput("a part of the batch was taken before", Fault("offsets", str(offsets)[:80], fix))
        return [] if any(known) else rows

    def _ripe(self) -> list[Keyed]:
        """Events that have waited long enough; they leave the table."""
        bound = (self._view, self._now - self._allowance)
        found = [(key, waiting(event)) for key, event in self._connection.execute(_RIPE, bound)]
        if found:
            self._connection.execute(_FOLDED, bound)
        return found

    def _split(self, fresh: Sequence[Incoming]) -> list[Keyed]:
        """Puts the events down that must wait, and returns the others."""
        ripe: list[Keyed] = []
        wait = []
        arrival = self._plan.view.known == "arrival"
        for key, timestamp, known, values in fresh:
            self._applied += 1
            row = (timestamp, known, self._applied, values)
            ready = known if arrival else timestamp
            if ready < self._now - self._allowance:
                ripe.append((key, row))
            else:
                wait.append((self._view, key, self._applied, ready, _packed(row)))
        self._connection.executemany(_WAIT, wait)
        return ripe

    def _fold(self, tiling: Tiling, ripe: list[Keyed]) -> None:
        hop, view = tiling.hop, self._view
        oldest = floor(self._latest - self._allowance - tiling.longest, hop)
        touched: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
        for key, row in ripe:
            if row[0] >= oldest:
                touched[key, floor(row[0], hop)].append(row)
        kept = []
        for (key, start), rows in touched.items():
            found = self._connection.execute(_TILE, (view, hop, key, start)).fetchone()
            states = tiling.new() if found is None else tiling.unpack(found[0])
            tiling.fold(states, rows)
            kept.append((view, hop, key, start, tiling.pack(states)))
        self._connection.executemany(_KEEP, kept)
        self._connection.execute(_OLD, (view, hop, oldest))


def _packed(row: Row) -> bytes:
    try:
        return _encode(row)
    except OverflowError:  # a decimal of more than 64 bits
        *order, values = row
        return _encode((*order, [b"%d" % one if type(one) is int else one for one in values]))
