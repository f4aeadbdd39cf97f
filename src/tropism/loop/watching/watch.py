"""Looks at what came in since the last look, and says what the monitors of a task make of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import DataInvalid, Fault
from tropism.feedback.joining import moments
from tropism.loop.losses import served
from tropism.loop.watching.history import keep_levels
from tropism.loop.watching.rows import rows_before, rows_served
from tropism.monitoring.alarm.losses import LOSS, refer_losses
from tropism.monitoring.alarm.reference import PREDICTION, Reference, refer
from tropism.monitoring.watch.monitor import Monitor, advanced, begin, counted, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.monitoring.watch.store import MonitorStore
    from tropism.registry import Registry
    from tropism.registry.aliases import Live
    from tropism.storage.lake import Lake

    Times = NDArray[np.int64]

FEATURES = "features"
SHARES = {FEATURES: 0.5, PREDICTION: 0.25, LOSS: 0.25}
"""What part of a task's false alarms each monitor may make."""
_GRACE = 5 * SECOND
"""A request that is being answered is in the lake by then."""
_FIRST = 1_000
"""Rows served at first that make a reference where there is none from before."""
_FEWEST = 500
_AT_ONCE = 500
"""Windows counted at once."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The monitors of a task's champion; `waiting` says why there is not one yet, by what it would watch."""

    version: int | None
    monitors: dict[str, Monitor] = {}
    waiting: dict[str, str] = {}


class _Rows(NamedTuple):
    """What a monitor counts: rows and their times (µs)."""

    table: pa.Table
    at: Times


class _Subject(NamedTuple):
    """What a monitor watches, until a moment (µs). `first`: the reference and from when (µs) on to watch, or
    DataInvalid that says what is missing. `read`: rows of a span of time."""

    kind: str
    run_length: float
    until: int
    first: Callable[[], tuple[Reference, int]]
    read: Callable[[int, int], _Rows]


class Watch:
    """The monitors of tasks, kept in tables, their history in the lake. Safe in any thread and process: a look that
    another was faster with changes nothing."""

    def __init__(self, registry: Registry, lake: Lake, cohorts: Cohorts, store: MonitorStore) -> None:
        self._registry, self._lake, self._cohorts, self._store = registry, lake, cohorts, store

    def look(self, task: Task, now: int) -> Watched:
        """Takes in every window that is over by `now` (µs), and returns the monitors after them."""
        live = self._registry.aliases.live(task.name)
        if live is None:
            return Watched(version=None, waiting={FEATURES: "there is no champion yet"})
        monitors, waiting = {}, {}
        for subject in self._subjects(task, live, now):
            try:
                monitors[subject.kind] = self._advance(task, f"{subject.kind}/{live.champion}", subject, now)
            except DataInvalid as error:
                waiting[subject.kind] = f"{error.message}: {error.faults[0].value}" if error.faults else error.message
        return Watched(version=live.champion, monitors=monitors, waiting=waiting)

    def known(self, task: Task) -> Watched:
        """The monitors as the last look left them."""
        live = self._registry.aliases.live(task.name)
        if live is None:
            return Watched(version=None, waiting={FEATURES: "there is no champion yet"})
        found = {kind: self._store.get(task.name, f"{kind}/{live.champion}")[1] for kind in SHARES}
        return Watched(
            version=live.champion,
            monitors={kind: msgspec.msgpack.decode(state, type=Monitor) for kind, state in found.items() if state},
            waiting={kind: "nothing was looked at yet" for kind, state in found.items() if not state},
        )

    def _subjects(self, task: Task, live: Live, now: int) -> list[_Subject]:
        window = parse_duration(task.monitoring.window)
        run_length = max(parse_duration(task.monitoring.false_alarms) / window, 2.0)
        served = (now - _GRACE) // window * window
        matured = (now - task.window) // window * window
        scored = partial(self._scored, task, live.champion)
        losses, rows = partial(self._losses, task, live.champion, now), partial(self._rows, task)
        return [
            _Subject(FEATURES, run_length, served, lambda: self._features(task, live, served), rows),
            _Subject(PREDICTION, run_length, served, lambda: _first_scores(scored(live.since, served)), scored),
            _Subject(LOSS, run_length, matured, lambda: _first_losses(task, losses(live.since, matured)), losses),
        ]

    def _advance(self, task: Task, name: str, subject: _Subject, now: int) -> Monitor:
        number, state = self._store.get(task.name, name)
        if state:
            monitor = msgspec.msgpack.decode(state, type=Monitor)
        else:
            reference, start = subject.first()
            run_length = subject.run_length / SHARES[subject.kind]
            monitor = begin(reference, start, run_length=run_length, tolerance=task.monitoring.tolerance)
        if state and subject.until <= monitor.until:
            return monitor
        monitor = self._counted(task, name, subject, monitor)
        if not self._store.put(task.name, name, msgspec.msgpack.encode(monitor), after=number, now=now):
            return msgspec.msgpack.decode(self._store.get(task.name, name)[1], type=Monitor)
        return monitor

    def _counted(self, task: Task, name: str, subject: _Subject, monitor: Monitor) -> Monitor:
        """The monitor after all rows up to `subject.until`."""
        window, reference = parse_duration(task.monitoring.window), opened(monitor.reference)
        rows = subject.read(monitor.until, max(subject.until, monitor.until))
        edges = np.unique(rows.at // window)[_AT_ONCE::_AT_ONCE] * window
        for end in [*edges.tolist(), subject.until]:
            if end > monitor.until:
                first, last = np.searchsorted(rows.at, (monitor.until, end))
                seen = counted(reference, rows.table.slice(first, last - first), rows.at[first:last], window)
                monitor, levels = advanced(monitor, seen, end)
                keep_levels(self._lake, task.name, name, reference, seen, levels)
        return monitor

    def _features(self, task: Task, live: Live, until: int) -> tuple[Reference, int]:
        """What the champion was trained on, or the first rows it was asked, where that is not in the lake."""
        made = self._registry.versions.get(task.name, live.champion).created_at
        referred = partial(refer, features=task.features, ignore=task.monitoring.ignore)
        table = rows_before(self._lake, task, made, task.monitoring.reference)
        if table.num_rows >= _FEWEST:
            origin = f"the last {table.num_rows:,} rows before version {live.champion} was trained"
            return referred(table, moments(table, "at"), origin=origin), live.since
        rows = self._rows(task, live.since, until)
        return _first_rows(rows.table.drop_columns(["scores"]), referred)

    def _rows(self, task: Task, start: int, until: int) -> _Rows:
        table = rows_served(self._lake, task, start, until)
        return _Rows(table, moments(table, "at"))

    def _scored(self, task: Task, version: int, start: int, until: int) -> _Rows:
        table = rows_served(self._lake, task, start, until)
        table = table.filter(pc.equal(table["version"], version))
        return _Rows(table, moments(table, "at"))

    def _losses(self, task: Task, version: int, now: int, start: int, until: int) -> _Rows:
        columns = ("at", "version", "scores", "label")
        cohort = self._cohorts.matured(
            task, now=now, since=start, until=max(until, start), models=[version], columns=columns
        )
        filled = pc.greater(pc.fill_null(pc.list_value_length(cohort.table["scores"]), 0), 0)
        table = cohort.table.filter(filled)
        return _Rows(pa.table({f"f_{LOSS}": served(task, table)}), moments(table, "at"))


def _first_scores(rows: _Rows) -> tuple[Reference, int]:
    return _first_rows(rows.table, partial(refer, features=()))


def _first_losses(task: Task, rows: _Rows) -> tuple[Reference, int]:
    count = task.policy.triggers.decay_rows
    if len(rows.at) < count:
        raise _too_few(len(rows.at), count, "outcomes")
    losses, last = rows.table[f"f_{LOSS}"].to_numpy()[:count], int(rows.at[count - 1])
    return refer_losses(losses, int(rows.at[0]), last), last + 1


def _first_rows(table: pa.Table, referred: Callable[..., Reference]) -> tuple[Reference, int]:
    """A reference of the first rows, and the moment after them."""
    if table.num_rows < _FIRST:
        raise _too_few(table.num_rows, _FIRST, "predictions")
    first = table.slice(0, _FIRST)
    at = moments(first, "at")
    return referred(first, at, origin=f"the first {_FIRST:,} rows served"), int(at[-1]) + 1


def _too_few(found: int, wanted: int, what: str) -> DataInvalid:
    fault = Fault("reference", f"{found} of {wanted} {what}", "wait until there are as many")
    return DataInvalid("there is too little to compare with yet", fault)
