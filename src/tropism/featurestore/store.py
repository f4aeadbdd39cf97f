"""Reads, fills and replays the features of a project."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Fault, TropismError, UnknownFeature
from tropism.features.store.binding import bind
from tropism.features.store.definitions import Definitions, StoredView
from tropism.featurestore.readers import Readers

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.core.clock import Clock
    from tropism.core.task import Task
    from tropism.features import OnDemand, StreamSource
    from tropism.features.online.store import OnlineStore
    from tropism.features.settings import FeatureSettings
    from tropism.features.store.following import Follower
    from tropism.features.store.reading import FeatureReader
    from tropism.features.store.sources import Sources
    from tropism.features.windows import WindowStore
    from tropism.registry import Registered
    from tropism.registry.feature_plan import Plan
    from tropism.registry.features import Features
    from tropism.storage.lake import Lake

_log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """What a store is opened with. `root`: the project's folder, `state`: its state. `computed`: the on-demand
    features of `project.py`, loaded when they are needed."""

    registry: Features
    lake: Lake
    settings: FeatureSettings
    clock: Clock
    root: Path
    state: Path
    computed: Callable[[], Iterable[OnDemand]]


class FeatureStore:
    """Safe to use from many threads. Stores are opened when they are first needed."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self._readers: tuple[Definitions, Readers] | None = None
        self._defined: tuple[int, tuple[Registered, ...], Definitions] | None = None

    @cached_property
    def online(self) -> OnlineStore:
        from tropism.features.online.opening import open_online

        return open_online(self.opened.settings.online or f"sqlite:///{self.opened.state / 'online.sqlite'}")

    @cached_property
    def windows(self) -> WindowStore:
        from tropism.features.windows import WindowStore

        return WindowStore(self.opened.state / "windows.sqlite", self.opened.clock)

    @cached_property
    def follower(self) -> Follower:
        """Brings events into windows and rows."""
        from tropism.features.store.following import Follower

        return Follower(self.opened.lake, self.online, self.windows)

    def definitions(self, *, dropped: bool = False) -> Definitions:
        """What is registered now; with `dropped`, versions that are not served any more too.

        An on-demand feature is left out if its code is not that which was applied.
        """
        if dropped:
            return self._made(self.opened.registry.every())
        generation, last = self.opened.registry.generation(), self._defined
        if last is not None and last[0] == generation:
            return last[2]
        listed = self.opened.registry.list()
        found = last[2] if last is not None and last[1] == listed else self._made(listed)
        self._defined = (generation, listed, found)
        return found

    def planned(self, plan: Plan) -> Definitions:
        """What will be registered once a plan is carried out."""
        from tropism.registry import Registered

        new = {(one.kind, one.name): one for one in plan.changes if one.writes}
        listed = []
        for one in self.opened.registry.list():
            change = new.get((one.kind, one.name)) if one.state == "live" else None
            if change is None:
                listed.append(one)
            elif one.kind == "view" and change.version != one.version:
                listed.append(msgspec.structs.replace(one, state="old"))
        for made in new.values():
            facts = (made.kind, made.name, made.version, made.fingerprint, made.spec)
            listed.append(Registered(*facts, state="live", created_at=0, actor=""))
        return self._made(listed)

    def _made(self, listed: Sequence[Registered]) -> Definitions:
        views = [(one, StoredView(one.view, f"{one.name}@{one.version}")) for one in listed if one.kind == "view"]
        applied = {one.name: one.spec["version"] for one in listed if one.kind == "on-demand" and one.state == "live"}
        live, others = ([view for one, view in views if (one.state == "live") is wanted] for wanted in (True, False))
        return Definitions(live, others, self._computed(applied))

    def _computed(self, applied: dict[str, str]) -> list[OnDemand]:
        if not applied:
            return []
        try:
            computed = list(self.opened.computed())
        except TropismError as error:
            _log.error("on-demand features cannot be computed: %s", error)
            return []
        found = [one for one in computed if applied.get(one.name) == one.version]
        there = {one.name for one in computed}
        for name in sorted(applied.keys() - {one.name for one in found}):
            amiss = "is not the one that was applied: apply it" if name in there else "is gone: put it back, or drop it"
            _log.error("the on-demand feature '%s' of project.py %s", name, amiss)
        return found

    def streams(self) -> tuple[StreamSource, ...]:
        """Those that are live."""
        return self.opened.registry.streams()

    def stream(self, name: str) -> StreamSource:
        """Raises: UnknownFeature: there is none of that name; lists those there are."""
        there = {one.name: one for one in self.streams()}
        if name not in there:
            fix = f"use one of: {', '.join(there)}" if there else "declare a StreamSource in project.py, then apply it"
            raise UnknownFeature(f"there is no stream '{name[:80]}'", Fault("stream", repr(name)[:80], fix))
        return there[name]

    def reader(self, names: Sequence[str]) -> FeatureReader:
        """Reads features by name; the same object while no definition changes.

        Raises:
            UnknownFeature: there is no such feature.
        """
        return self.readers()(names)

    def readers(self) -> Readers:
        """Reads features as they are defined now, whatever is applied later; the same object while nothing changes."""
        definitions, last = self.definitions(), self._readers
        if last is None or last[0] is not definitions:
            last = self._readers = (definitions, Readers(definitions, lambda: (self.online, self.windows)))
        return last[1]

    def task_reader(self, task: Task) -> FeatureReader | None:
        """Reads a task's features in the versions that it is bound to; None where it cannot be done now."""
        names = [
            feature.name if "@" not in feature.view else f"{feature.view}.{feature.name.partition('.')[2]}"
            for feature in task.features
            if feature.view
        ]
        try:
            return self.reader(names)
        except TropismError as error:
            _log.error("the features of '%s' cannot be read: %s", task.name, error)
            return None

    def bound(self, task: Task) -> Task:
        """See `features.store.bind`."""
        return bind(task, self.definitions()) if task.views else task

    def sources(self, doing: str) -> Sources:
        """What reads the sources of views; `doing`: what for, noted beside rules that fail."""
        from tropism.features.store.sources import Sources

        return Sources(self.opened.root, self.opened.lake, doing, self.opened.clock.now())
