"""One monitor: its reference, its detector's state, and how far it has come."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.monitoring.alarm.dependence import slots
from tropism.monitoring.alarm.detector import ALARM, Detector, Level, State, examined
from tropism.monitoring.alarm.reference import Reference, column_of
from tropism.monitoring.counts import places

if TYPE_CHECKING:
    from collections.abc import Sequence

Counts = NDArray[np.float64]
RESOLVED = 0.5
"""The score below which an alarm is over."""


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """`reference`: as bytes. `until`: everything before it (µs) is counted. `run_length`: windows between two false
    alarms. `score` and `columns`: the level after the last window, of all and of each column; `since`: when the
    evidence of each began to grow (µs). `windows`, `rows`: taken in. `alarm`: when the alarm that is on began, if one
    is. `alarms`: how many there were. `ignored`: columns that it was told not to watch. `problems`: why columns could
    not be read in the last windows. `farthest`: end (µs) of the last window ever counted, which is later than `until`
    after the clock went back, and `turns`: how often it did."""

    reference: bytes
    state: State
    until: int
    run_length: float
    tolerance: float
    score: float = 0.0
    columns: dict[str, float] = {}
    since: dict[str, int] = {}
    windows: int = 0
    rows: int = 0
    alarm: int | None = None
    alarms: int = 0
    started: int = 0
    ignored: tuple[str, ...] = ()
    problems: dict[str, str] = {}
    farthest: int = 0
    turns: int = 0

    @property
    def causes(self) -> list[str]:
        """Columns with evidence, the strongest first."""
        return sorted((name for name, score in self.columns.items() if score > 0), key=lambda n: -self.columns[n])


class Counted(NamedTuple):
    """Counts of windows that have rows: their ends (w,), µs, and counts (w, f, b). `problems` by column."""

    ends: NDArray[np.int64]
    counts: Counts
    problems: dict[str, str]


def begin(
    reference: Reference, at: int, *, run_length: float, tolerance: float, ignored: tuple[str, ...] = ()
) -> Monitor:
    """A monitor that has seen nothing since `at` (µs).

    Raises:
        DataInvalid: no column of the reference can be watched.
    """
    if not reference.streams:
        why = "; ".join(f"{name}: {problem}" for name, problem in reference.problems.items())
        raise DataInvalid("no column can be watched", Fault("reference", why or "no columns", "send some values"))
    stored = reference.to_bytes()
    return Monitor(
        reference=stored,
        state=_detector(stored, run_length, tolerance).start(at),
        until=at,
        run_length=run_length,
        tolerance=tolerance,
        started=at,
        ignored=ignored,
    )


def counted(reference: Reference, table: pa.Table, at: NDArray[np.int64], window: int) -> Counted:
    """The rows of a table counted by window of time.

    A column that is not there, or is of another type now, counts as missing in every row, and is named a problem.
    """
    index = at // window
    filled, place = np.unique(index, return_inverse=True)
    bins = max(stream.binning.size for stream in reference.streams)
    found = np.zeros((len(filled), len(reference.streams), bins))
    problems = {}
    for f, stream in enumerate(reference.streams):
        size = stream.binning.size
        try:
            rows = places(stream.binning, column_of(table, stream)).astype(np.int64)
        except DataInvalid as error:
            problems[stream.name] = error.message
            rows = np.full(len(at), size - 1)
        cells = np.bincount(place * size + rows, minlength=len(filled) * size)
        found[:, f, :size] = cells.reshape(-1, size)
    return Counted((filled + 1) * window, found, problems)


def advanced(monitor: Monitor, seen: Counted, until: int) -> tuple[Monitor, list[Level]]:
    """The monitor after these windows, all of them before `until`, and the level after each."""
    if not len(seen.ends):
        return msgspec.structs.replace(monitor, until=until), []
    detector = _detector(monitor.reference, monitor.run_length, monitor.tolerance)
    reference = opened(monitor.reference)
    slot = slots(seen.ends - 1, reference.slots)
    state, levels = detector.advance(monitor.state, seen.counts, seen.ends, slot)
    alarm, alarms = _alarms(monitor, levels, seen.ends)
    last = levels[-1]
    return (
        msgspec.structs.replace(
            monitor,
            state=state,
            until=until,
            score=last.score,
            columns={name: float(one) for name, one in zip(detector.names, last.columns, strict=True)},
            since={name: int(one) for name, one in zip(detector.names, last.since, strict=True)},
            windows=monitor.windows + len(levels),
            rows=monitor.rows + int(seen.counts[:, 0].sum()),
            alarm=alarm,
            alarms=alarms,
            problems=seen.problems,
            farthest=max(monitor.farthest, int(seen.ends[-1])),
        ),
        levels,
    )


@lru_cache(maxsize=64)
def opened(reference: bytes) -> Reference:
    """The reference of these bytes; the last few are kept."""
    return Reference.from_bytes(reference)


@lru_cache(maxsize=64)
def _detector(reference: bytes, run_length: float, tolerance: float) -> Detector:
    return Detector(examined(opened(reference)), run_length=run_length, tolerance=tolerance)


def _alarms(monitor: Monitor, levels: Sequence[Level], ends: NDArray[np.int64]) -> tuple[int | None, int]:
    """When the alarm that is on began, and how many there were: one lasts until the score is below RESOLVED."""
    alarm, count = monitor.alarm, monitor.alarms
    for level, end in zip(levels, ends, strict=True):
        if alarm is None and level.score >= ALARM:
            alarm, count = int(end), count + 1
        elif alarm is not None and level.score < RESOLVED:
            alarm = None
    return alarm, count
