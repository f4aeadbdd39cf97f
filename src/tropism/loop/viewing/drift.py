"""What a task's monitors found: whether it drifts, since when, because of which columns, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.loop.viewing.importance import Importance, importance_of
from tropism.loop.viewing.levels import Windows, counts_of, windows_of
from tropism.loop.watching.concepts import Concept
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.health.monitored import Cause, Monitored, monitored
from tropism.monitoring.health.moved import Moved, moved
from tropism.monitoring.quality import Change
from tropism.monitoring.watch.monitor import RESOLVED, opened

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.watch import Watched
    from tropism.monitoring.alarm.reference import Stream
    from tropism.monitoring.counts.binning import Array
    from tropism.monitoring.watch.monitor import Monitor

KINDS = (FEATURES, PREDICTION, LOSS)
LEAST = 1_000
"""Rows that the measures are made of at least, where there are as many."""
_CALM = 0.25
"""A score that a monitor passes now and then without any change."""


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column, its reference against the rows measured.

    `score`: its evidence of a change, 0 to 1, which has grown since `since` (µs). `importance`: to the champion, a
    share of 1. `weight`: score times importance, by which causes are ranked. `missing`, `outside`: shares of rows,
    before and now, that have no value, and one that the reference never had. `moved`: effect sizes, with the counts
    they come from. `change`: "new" or "gone" since the reference. `problem`: why it is not watched, if it is not.
    """

    name: str
    type: str
    score: float = 0.0
    since: int | None = None
    importance: float | None = None
    weight: float = 0.0
    missing: tuple[float, float] | None = None
    outside: tuple[float, float] | None = None
    moved: Moved | None = None
    change: Change = ""
    problem: str = ""


class SegmentDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of the features within a declared segment; `problem`: why it is not watched, if it is not."""

    name: str
    score: float | None = None
    alarm: int | None = None
    rows: int = 0
    causes: tuple[str, ...] = ()
    problem: str = ""


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """Of the champion's monitors from `since` to `until` (µs).

    `score`: the higher one of features and predictions, 0 to 1; `alarm`: whether an alarm is on, which begins at 0.8.
    `causes`: columns by evidence times importance. `columns`: the largest weight first; their measures are of the
    `measured` rows from `measured_since` (µs) on: the newest 1,000 at least, and while the score is above 0.5 all since
    it rose above 0.25. `importance`: what that of the features rests on. `segments`: the declared ones. `concept`: what
    the chosen detector says of the loss, where another than ours was chosen. `waiting`: why a monitor is not there yet.
    """

    task: str
    version: int | None
    since: int | None
    until: int
    score: float | None = None
    alarm: bool = False
    causes: tuple[Cause, ...] = ()
    columns: tuple[ColumnDrift, ...] = ()
    monitors: tuple[Monitored, ...] = ()
    measured: int = 0
    measured_since: int | None = None
    importance: Importance = Importance()
    segments: tuple[SegmentDrift, ...] = ()
    concept: Concept | None = None
    waiting: dict[str, str] = {}


class _Measured(NamedTuple):
    """Rows of a monitor that the measures are made of: from when (µs), how many, and their counts by column."""

    since: int
    rows: int
    counts: dict[str, Array]


def drift(sources: Sources, name: str, *, since: int | None = None) -> DriftView:
    """What the monitors of a task found, from `since` (µs) on; from when they began by default.

    Raises:
        UnknownTask: there is none of that name.
    """
    task, now = sources.task(name), sources.clock.now()
    watched = sources.watch.known(task)
    importance = importance_of(sources, task, watched.version)
    windows = _windows(sources, task, watched, since)
    found = [
        _monitored(kind, watched.monitors[kind], windows[kind], (since, now), importance)
        for kind in KINDS
        if kind in watched.monitors
    ]
    columns: list[ColumnDrift] = []
    measured: list[_Measured] = []
    for kind in (FEATURES, PREDICTION):
        if (monitor := watched.monitors.get(kind)) is not None:
            measured.append(_measured(sources, task.name, f"{kind}/{watched.version}", monitor, windows[kind], since))
            columns += _columns(task, kind, monitor, measured[-1], importance)
    drifting = [one for one in found if one.kind != LOSS]
    return DriftView(
        task=name,
        version=watched.version,
        since=since,
        until=now,
        score=max((one.score for one in drifting), default=None),
        alarm=any(one.alarm is not None for one in drifting),
        causes=next((one.causes for one in found if one.kind == FEATURES), ()),
        columns=tuple(sorted(columns, key=lambda one: (-one.weight, -one.score, one.name))),
        monitors=tuple(found),
        measured=measured[0].rows if measured else 0,
        measured_since=measured[0].since if measured else None,
        importance=importance,
        segments=_segments(watched),
        concept=watched.concept,
        waiting=_waiting(task, watched),
    )


def _windows(sources: Sources, task: Task, watched: Watched, since: int | None) -> dict[str, Windows]:
    if not watched.monitors:
        return {}
    started = min(monitor.started for monitor in watched.monitors.values())
    # An alarm that was on when the time begins is not one of that time; a day tells.
    begun = started if since is None else max(started, since - DAY)
    subjects = {kind: f"{kind}/{watched.version}" for kind in watched.monitors}
    found = windows_of(sources.lake, task.name, list(subjects.values()), begun)
    return {kind: found[subject] for kind, subject in subjects.items()}


def _monitored(
    kind: str, monitor: Monitor, windows: Windows, period: tuple[int | None, int], importance: Importance
) -> Monitored:
    reference = opened(monitor.reference)
    return monitored(
        kind,  # type: ignore[arg-type]
        monitor,
        windows.levels,
        (monitor.started if period[0] is None else period[0], period[1]),
        importance=importance.shares if kind == FEATURES else None,
        reference=reference.origin or f"the first {reference.rows:,} outcomes of its predictions",
        problems=reference.problems | monitor.problems,
    )


def _measured(
    sources: Sources, task: str, subject: str, monitor: Monitor, windows: Windows, since: int | None
) -> _Measured:
    start = _begun(monitor, windows) if since is None else since
    counts = counts_of(sources.lake, task, subject, start)
    return _Measured(start, max((int(one.sum()) for one in counts.values()), default=0), counts)


def _begun(monitor: Monitor, windows: Windows) -> int:
    """When the rows begin that the measures are made of: the newest LEAST, and all since a monitor that is up rose."""
    enough = np.flatnonzero(np.cumsum(windows.rows[::-1]) >= LEAST)
    first = len(windows.ends) - 1 - int(enough[0]) if len(enough) else 0
    if monitor.score >= RESOLVED:
        calm = np.flatnonzero(windows.scores < _CALM)
        first = min(first, int(calm[-1]) + 1 if len(calm) else 0)
    return int(windows.ends[first - 1]) if first else monitor.started


def _columns(task: Task, kind: str, monitor: Monitor, measured: _Measured, importance: Importance) -> list[ColumnDrift]:
    reference = opened(monitor.reference)
    known = {feature.name: feature.type for feature in task.features}
    found = []
    for stream in reference.streams:
        one = _column(stream, monitor, measured, importance if kind == FEATURES else Importance())
        gone = kind == FEATURES and stream.name not in known
        found.append(msgspec.structs.replace(one, change="gone") if gone else one)
        if problem := monitor.problems.get(stream.name):
            found[-1] = msgspec.structs.replace(found[-1], problem=problem)
    for name, problem in reference.problems.items():
        found.append(ColumnDrift(name=name, type=known.get(name, "number"), problem=problem))
    if kind == FEATURES:
        there = {one.name for one in found}
        for name in known.keys() - there:
            ignored = name in monitor.ignored
            problem = "the task says to ignore it" if ignored else "it was not there when the reference was made"
            found.append(ColumnDrift(name=name, type=known[name], problem=problem, change="" if ignored else "new"))
    return found


def _column(stream: Stream, monitor: Monitor, measured: _Measured, importance: Importance) -> ColumnDrift:
    before = np.asarray(stream.counts, dtype=np.int64)
    now = measured.counts.get(stream.name, np.zeros_like(before))
    score = monitor.columns.get(stream.name, 0.0)
    share = importance.shares.get(stream.name, 0.0) if importance.shares else None
    outside = [0, -2] if stream.binning.kind == "number" else [-2]
    return ColumnDrift(
        name=stream.name,
        type=stream.type,
        score=score,
        since=monitor.since.get(stream.name) if score > 0 else None,
        importance=share,
        weight=score if share is None else score * share,
        missing=_shares(before, now, [-1]),
        outside=_shares(before, now, outside),
        moved=moved(stream.name, stream.binning, before, now),
    )


def _segments(watched: Watched) -> tuple[SegmentDrift, ...]:
    found = [
        SegmentDrift(name=name, score=one.score, alarm=one.alarm, rows=one.rows, causes=tuple(one.causes))
        for name, one in watched.segments.items()
    ]
    without = [SegmentDrift(name=name, problem=problem) for name, problem in watched.without.items()]
    return (*sorted(found, key=lambda one: (-(one.score or 0.0), one.name)), *without)


def _shares(before: Array, now: Array, bins: list[int]) -> tuple[float, float] | None:
    if not before.sum() or not now.sum():
        return None
    return float(before[bins].sum() / before.sum()), float(now[bins].sum() / now.sum())


def _waiting(task: Task, watched: Watched) -> dict[str, str]:
    """Why a monitor is not there, with what it takes."""
    if watched.version is None:
        return watched.waiting
    takes = {
        FEATURES: "rows from before the champion was trained, or 1,000 predictions",
        PREDICTION: "1,000 predictions of the champion",
        LOSS: f"{task.policy.triggers.decay_rows} outcomes of the champion's predictions, {task.outcome_window} old",
    }
    return {kind: f"{why}; it takes {takes[kind]}, and a worker" for kind, why in watched.waiting.items()}
