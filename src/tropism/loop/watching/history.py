"""What monitors found in each window, kept in the lake: one small row a window and subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.feedback.joining import moments
from tropism.feedback.schemas import MOMENT
from tropism.monitoring.counts import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from tropism.monitoring.alarm.detector import Level
    from tropism.monitoring.alarm.reference import Reference
    from tropism.monitoring.watch.monitor import Counted
    from tropism.storage.lake import Lake

LEVELS = pa.schema(
    [
        pa.field("at", MOMENT),
        pa.field("subject", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("columns", pa.string()),
        pa.field("counts", pa.binary()),
        pa.field("writer", pa.string()),
        pa.field("seq", pa.int64()),
    ]
)
"""`at`: end of the window. `columns`: the score of each column that has one, as JSON. `counts`: packed. `writer`: the
subject, with the number of times that the clock went back, if it did."""
_LEAST = 0.01
_MANY = 5_000
"""Rows of some 1 KB that are held at most, about."""


class Found(NamedTuple):
    """What a monitor found in some windows. `turns`: how often the clock had gone back by then."""

    subject: str
    turns: int
    reference: Reference
    seen: Counted
    levels: Sequence[Level]

    @property
    def writer(self) -> str:
        return writer_of(self.subject, self.turns)


def levels_name(task: str) -> str:
    """The table of a task's levels."""
    return f"{task}/levels"


def writer_of(subject: str, turns: int) -> str:
    """Whose windows go forward only."""
    return f"{subject}#{turns}" if turns else subject


class Levels:
    """Collects what monitors of a task find, and adds it to the lake together: one commit for a whole look."""

    def __init__(self, lake: Lake, task: str) -> None:
        self._lake, self._task = lake, task
        self._rows: list[dict[str, Any]] = []
        self._positions: dict[str, int] = {}

    def add(self, found: Found) -> None:
        """Takes a row for each window; into the lake with them once there are many."""
        if not found.levels:
            return
        self._rows.extend(_rows(found))
        self._positions[found.writer] = int(found.seen.ends[-1])
        if len(self._rows) >= _MANY:
            self.keep()

    def keep(self) -> None:
        """Everything so far is in the lake after this; windows that are there already are left out."""
        if self._rows:
            table = pa.Table.from_pylist(self._rows, schema=LEVELS)
            self._lake.append(levels_name(self._task), table, positions=self._positions)
            self._rows, self._positions = [], {}


def windows_kept(lake: Lake, task: str, subject: str, since: int, until: int, turns: int) -> NDArray[np.int64]:
    """Ends (µs), from `since` until before `until`, of windows that were counted before the clock went back for the
    `turns`-th time."""
    schema = pa.schema([field for field in LEVELS if field.name in ("at", "writer")])
    table = lake.read(levels_name(task), schema=schema, since=since, until=until)
    writers = pa.array([writer_of(subject, turn) for turn in range(turns)], pa.string())
    return np.unique(moments(table.filter(pc.is_in(table["writer"], value_set=writers)), "at"))


def _rows(found: Found) -> Iterator[dict[str, Any]]:
    names = found.reference.names
    sizes = [stream.binning.size for stream in found.reference.streams]
    for end, counts, level in zip(found.seen.ends.tolist(), found.seen.counts, found.levels, strict=True):
        scores = {name: round(float(one), 4) for name, one in zip(names, level.columns, strict=True) if one >= _LEAST}
        own = {name: one[:size].astype(np.int64) for name, one, size in zip(names, counts, sizes, strict=True)}
        yield {
            "at": end,
            "subject": found.subject,
            "rows": int(counts[0].sum()),
            "score": level.score,
            "columns": msgspec.json.encode(scores).decode(),
            "counts": pack(own),
            "writer": found.writer,
            "seq": end,
        }
