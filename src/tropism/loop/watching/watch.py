"""Looks at what came in since the last look, and says what the monitors of a task make of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import DataInvalid, InvalidInput, MissingExtra, SettingInvalid, TropismError
from tropism.feedback.joining import moments
from tropism.loop.losses import served
from tropism.loop.watching.concepts import E_DETECTOR, Concept, Concepts
from tropism.loop.watching.history import Levels
from tropism.loop.watching.reference import features_reference, first_losses, first_rows, first_scores
from tropism.loop.watching.rows import Rows, rows_served
from tropism.loop.watching.segments import Looked, Segmented, known_segments, look_at_segments
from tropism.loop.watching.taking import take_in
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION, Reference
from tropism.monitoring.watch.monitor import Monitor, begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.loop.watching.reference import First
    from tropism.monitoring.watch.store import MonitorStore
    from tropism.registry import Registry
    from tropism.registry.aliases import Live
    from tropism.storage.lake import Lake

FEATURES = "features"
SHARES = {FEATURES: 0.5, PREDICTION: 0.25, LOSS: 0.25}
"""What part of a task's false alarms each monitor may make."""
SEGMENTS_SHARE = 0.1
"""The part of those of the features that is the segments', where there are any."""
_GRACE = 5 * SECOND
"""A request that is being answered is in the lake by then."""
_NONE = "there is no champion yet"
_TOLD = (DataInvalid, InvalidInput, MissingExtra, SettingInvalid)
"""What keeps one monitor from being there, and is told as what it waits for."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The monitors of a task's champion; `waiting` says why there is not one yet, by what it would watch.

    `segments`: monitors of the features within each declared segment, and `without`: why one has none. `concept`: of
    the loss, where another detector than ours was chosen; then there is no monitor of it.
    """

    version: int | None
    monitors: dict[str, Monitor] = {}
    waiting: dict[str, str] = {}
    segments: dict[str, Monitor] = {}
    without: dict[str, str] = {}
    concept: Concept | None = None


class _Subject(NamedTuple):
    """What a monitor watches, until a moment (µs). `first`: the reference and from when (µs) on to watch, or
    DataInvalid that says what is missing. `read`: rows of a span of time. `ignored`: columns not to watch."""

    kind: str
    run_length: float
    until: int
    first: Callable[[], tuple[Reference, int]]
    read: Callable[[int, int], Rows]
    ignored: tuple[str, ...] = ()


class _Step(NamedTuple):
    """A monitor under its `name` before and after a look; `number`: of the state that it was read from."""

    kind: str
    name: str
    number: int
    before: Monitor | None
    after: Monitor


class _Look(NamedTuple):
    """One look at a task's champion: everything until a moment (µs), for predictions and for outcomes. `windows`: so
    many may pass, on average, until a false alarm. `levels`: where what is found goes."""

    task: Task
    live: Live
    now: int
    served: int
    matured: int
    windows: float
    levels: Levels

    def windows_of(self, kind: str) -> float:
        """Windows between two false alarms of one kind of monitor."""
        part = SEGMENTS_SHARE if kind == FEATURES and self.task.monitoring.segments else 0.0
        return self.windows / (SHARES[kind] - part)


class Watch:
    """The monitors of tasks, kept in tables, their history in the lake. Safe in any thread and process: a look that
    another was faster with changes nothing."""

    def __init__(self, registry: Registry, lake: Lake, cohorts: Cohorts, store: MonitorStore) -> None:
        self._registry, self._lake, self._cohorts, self._store = registry, lake, cohorts, store
        self._concepts = Concepts(store)

    def look(self, task: Task, now: int) -> Watched:
        """Takes in every window that is over by `now` (µs), and returns the monitors after them."""
        live = self._registry.aliases.live(task.name)
        if live is None:
            return Watched(version=None, waiting={FEATURES: _NONE})
        look, rows = _look_of(task, live, now, Levels(self._lake, task.name)), _Memory(partial(self._rows, task))
        steps, waiting = [], {}
        for subject in self._subjects(look, rows):
            try:
                steps.append(self._advance(look, subject))
            except _TOLD as error:
                waiting[subject.kind] = _why(error)
        concept = None
        if task.monitoring.concept != E_DETECTOR:
            try:
                concept = self._concept(look)
            except _TOLD as error:
                waiting[LOSS] = _why(error)
        segmented = self._segments(look, rows)
        look.levels.keep()
        return Watched(
            version=live.champion,
            monitors={step.kind: self._put(look, step) for step in steps},
            waiting=waiting,
            segments=segmented.monitors,
            without=segmented.problems,
            concept=concept,
        )

    def known(self, task: Task) -> Watched:
        """The monitors as the last look left them."""
        live = self._registry.aliases.live(task.name)
        if live is None:
            return Watched(version=None, waiting={FEATURES: _NONE})
        chosen = task.monitoring.concept != E_DETECTOR
        concept = self._concepts.known(task, live.champion) if chosen else None
        kinds = [kind for kind in SHARES if kind != LOSS or not chosen]
        found = {kind: self._store.get(task.name, f"{kind}/{live.champion}")[1] for kind in kinds}
        waiting = {kind: "nothing was looked at yet" for kind, state in found.items() if not state}
        if chosen and concept is None:
            waiting[LOSS] = "nothing was looked at yet"
        segmented = known_segments(self._store, task, live.champion)[1]
        return Watched(
            version=live.champion,
            monitors={kind: msgspec.msgpack.decode(state, type=Monitor) for kind, state in found.items() if state},
            waiting=waiting,
            segments={} if segmented is None else segmented.monitors,
            without={} if segmented is None else segmented.problems,
            concept=concept,
        )

    def _subjects(self, look: _Look, rows: Callable[[int, int], Rows]) -> list[_Subject]:
        task, since = look.task, look.live.since
        scored, losses = partial(self._scored, look, rows), partial(self._losses, look)
        found = [
            _Subject(
                FEATURES,
                look.windows_of(FEATURES),
                look.served,
                lambda: self._features(look, rows),
                rows,
                task.monitoring.ignore,
            ),
            _Subject(
                PREDICTION,
                look.windows_of(PREDICTION),
                look.served,
                lambda: first_scores(scored(since, look.served)),
                scored,
            ),
        ]
        if task.monitoring.concept == E_DETECTOR:
            length = look.windows_of(LOSS)
            first = partial(_first_losses, task, losses, since, look.matured)
            found.append(_Subject(LOSS, length, look.matured, first, losses))
        return found

    def _advance(self, look: _Look, subject: _Subject) -> _Step:
        task, name = look.task, f"{subject.kind}/{look.live.champion}"
        number, state = self._store.get(task.name, name)
        before = msgspec.msgpack.decode(state, type=Monitor) if state else None
        monitor = self._begun(task, subject, before)
        if monitor is before and monitor.until == subject.until:
            return _Step(subject.kind, name, number, before, monitor)

        def read(start: int, end: int) -> dict[str, Rows]:
            return {name: subject.read(start, end)}

        after = take_in(self._lake, task, {name: monitor}, subject.until, read, look.levels)[name]
        return _Step(subject.kind, name, number, before, after)

    def _put(self, look: _Look, step: _Step) -> Monitor:
        """The monitor that counts from now on: this one, or that of a look that was faster."""
        task, after = look.task.name, step.after
        if after is step.before:
            return after
        encoded = msgspec.msgpack.encode(after)
        if not self._store.put(task, step.name, encoded, after=step.number, now=look.now):
            state = self._store.get(task, step.name)[1]
            return msgspec.msgpack.decode(state, type=Monitor) if state else after
        if step.number == 0:
            self._forget(look)
        return after

    def _begun(self, task: Task, subject: _Subject, before: Monitor | None) -> Monitor:
        """The monitor to go on with: as it was, unless the task's settings changed."""
        tolerance = task.monitoring.tolerance
        if before is None or before.ignored != subject.ignored:
            reference, start = subject.first()
            begun = partial(begin, reference, run_length=subject.run_length, tolerance=tolerance)
            if before is None:
                return begun(start, ignored=subject.ignored)
            again = begun(before.until, ignored=subject.ignored)
            return msgspec.structs.replace(again, turns=before.turns, farthest=before.farthest)
        if (before.run_length, before.tolerance) == (subject.run_length, tolerance):
            return before
        return msgspec.structs.replace(before, run_length=subject.run_length, tolerance=tolerance)

    def _forget(self, look: _Look) -> None:
        """Lets go of what is kept of versions that are neither the champion nor the one before it."""
        kept = {str(look.live.champion), str(look.live.previous)}
        versions = {name: name.split("/")[1] for name in self._store.subjects(look.task.name) if "/" in name}
        self._store.forget(look.task.name, [name for name, version in versions.items() if version not in kept])

    def _concept(self, look: _Look) -> Concept:
        read = partial(self._labelled, look)
        return self._concepts.look(look.task, look.live.champion, look.live.since, look.matured, read, look.now)

    def _segments(self, look: _Look, rows: Callable[[int, int], Rows]) -> Segmented:
        declared, ignored = look.task.monitoring.segments, look.task.monitoring.ignore
        nothing = Segmented(declared=declared, ignored=ignored)
        if not declared:
            return nothing
        looked = Looked(
            look.live.champion,
            look.served,
            look.windows / SEGMENTS_SHARE,
            partial(self._first, look, rows),
            rows,
            look.levels,
        )
        try:
            return look_at_segments(self._lake, self._store, look.task, looked, look.now)
        except _TOLD as error:
            return msgspec.structs.replace(nothing, problems=dict.fromkeys(declared, _why(error)))

    def _features(self, look: _Look, rows: Callable[[int, int], Rows]) -> tuple[Reference, int]:
        first = self._first(look, rows)
        return features_reference(look.task, first.table, first.origin), first.start

    def _first(self, look: _Look, rows: Callable[[int, int], Rows]) -> First:
        version = self._registry.versions.get(look.task.name, look.live.champion)
        since = look.live.since
        return first_rows(self._lake, look.task, version, since, lambda: rows(since, look.served).table)

    def _rows(self, task: Task, start: int, until: int) -> Rows:
        table = rows_served(self._lake, task, start, until)
        return Rows(table, moments(table, "at"))

    def _scored(self, look: _Look, rows: Callable[[int, int], Rows], start: int, until: int) -> Rows:
        found = rows(start, until)
        return found.where(pc.equal(found.table["version"], look.live.champion).to_numpy())

    def _losses(self, look: _Look, start: int, until: int) -> Rows:
        found = self._labelled(look, start, until)
        return Rows(pa.table({f"f_{LOSS}": served(look.task, found.table)}), found.at)

    def _labelled(self, look: _Look, start: int, until: int) -> Rows:
        """Matured predictions of the champion, with their labels and scores."""
        columns, models = ("at", "version", "scores", "label"), [look.live.champion]
        cohort = self._cohorts.matured(
            look.task, now=look.now, since=start, until=max(until, start), models=models, columns=columns
        )
        found = Rows(cohort.table, moments(cohort.table, "at"))
        return found.where(pc.greater(pc.fill_null(pc.list_value_length(cohort.table["scores"]), 0), 0).to_numpy())


class _Memory:
    """Reads rows of a span, and keeps those read last: several monitors ask for the same."""

    def __init__(self, read: Callable[[int, int], Rows]) -> None:
        self._read = read
        self._last: tuple[tuple[int, int], Rows] | None = None

    def __call__(self, start: int, until: int) -> Rows:
        if self._last is None or self._last[0] != (start, until):
            self._last = (start, until), self._read(start, until)
        return self._last[1]


def _look_of(task: Task, live: Live, now: int, levels: Levels) -> _Look:
    window = parse_duration(task.monitoring.window)
    false_alarms = parse_duration(task.monitoring.false_alarms)
    served, matured = ((now - _GRACE - delay) // window * window for delay in (0, task.window))
    return _Look(task, live, now, served, matured, max(false_alarms / window, 2.0), levels)


def _first_losses(task: Task, losses: Callable[[int, int], Rows], since: int, until: int) -> tuple[Reference, int]:
    return first_losses(task, losses(since, until))


def _why(error: TropismError) -> str:
    return f"{error.message}: {error.faults[0].value}" if error.faults else error.message
