"""Taking windows in: in order, each once, whatever the clock does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.loop.watching.history import Found, windows_kept
from tropism.loop.watching.rows import spans
from tropism.monitoring.watch.monitor import advanced, counted, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tropism.core.task import Task
    from tropism.loop.watching.history import Levels
    from tropism.loop.watching.rows import Rows
    from tropism.monitoring.watch.monitor import Monitor
    from tropism.storage.lake import Lake

_CELLS = 10_000
"""Columns times windows that are counted at once: some 5 MB."""
_SKEW = 60 * SECOND
"""Two machines' clocks may differ by less."""


def take_in(
    lake: Lake,
    task: Task,
    monitors: Mapping[str, Monitor],
    until: int,
    read: Callable[[int, int], Mapping[str, Rows]],
    levels: Levels,
) -> dict[str, Monitor]:
    """Monitors by subject after all rows before `until` (µs). `read`: the rows of each subject in a span of time.

    What was found is added to `levels`. Repeated with the same monitors it is not kept twice.
    """
    window = parse_duration(task.monitoring.window)
    found = {subject: _resumed(lake, task.name, subject, one, until, window) for subject, one in monitors.items()}
    start = min(one.until for one in found.values())
    if start >= until:
        return found
    known = {subject: _known(lake, task.name, subject, one, until) for subject, one in found.items()}
    most = max(_CELLS // max(len(opened(one.reference).streams) for one in found.values()), 1)
    for first, last in spans(lake, task, start, until, window):
        rows = read(first, last)
        rows = {subject: _without(one, known[subject], window) for subject, one in rows.items()}
        for stop in _stops(rows, last, window, most):
            for subject, monitor in found.items():
                found[subject], one = _step(subject, monitor, rows[subject], stop, window)
                levels.add(one)
    return found


def _step(subject: str, monitor: Monitor, rows: Rows, stop: int, window: int) -> tuple[Monitor, Found]:
    reference, own = opened(monitor.reference), rows.between(monitor.until, max(stop, monitor.until))
    seen = counted(reference, own.table, own.at, window)
    after, levels = advanced(monitor, seen, max(stop, monitor.until))
    return after, Found(subject, monitor.turns, reference, seen, levels)


def _stops(rows: Mapping[str, Rows], last: int, window: int, most: int) -> Iterator[int]:
    """Where to stop so that there are not too many windows between, which only those with rows count as."""
    at = np.unique(np.concatenate([np.unique(one.at // window) for one in rows.values()]))
    yield from (at[most::most] * window).tolist()
    yield last


def _resumed(lake: Lake, task: str, subject: str, monitor: Monitor, until: int, window: int) -> Monitor:
    """The monitor as it is, or, when the clock went back behind what it has seen, from the last window before that."""
    if monitor.until - until <= max(window, _SKEW):
        return monitor
    ends = windows_kept(lake, task, subject, 0, until + 1, monitor.turns + 1)
    start = min(int(ends[-1]) if len(ends) else monitor.started, until)
    return msgspec.structs.replace(monitor, until=start, turns=monitor.turns + 1)


def _known(
    lake: Lake, task: str, subject: str, monitor: Monitor, until: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Ends of windows that the monitor counted before the clock went back."""
    if monitor.until >= monitor.farthest:
        return np.empty(0, dtype=np.int64)
    return windows_kept(lake, task, subject, monitor.until + 1, min(until, monitor.farthest) + 1, monitor.turns)


def _without(rows: Rows, known: np.ndarray[tuple[int], np.dtype[np.int64]], window: int) -> Rows:
    return rows.where(~np.isin((rows.at // window + 1) * window, known)) if len(known) else rows
