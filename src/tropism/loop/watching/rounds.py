"""Rounds of the worker: every task looked at, its rules judged, alerts told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.clock import SECOND, iso
from tropism.core.durations import parse_duration
from tropism.core.errors import TropismError
from tropism.core.monitoring import effective_rules
from tropism.loop.watching.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from tropism.core.clock import Clock
    from tropism.core.monitoring import Rule
    from tropism.core.task import Task
    from tropism.loop.watching.facts import Facts, FactSources
    from tropism.loop.watching.watch import Watch, Watched
    from tropism.monitoring.alerts.store import AlertStore
    from tropism.registry import Registry

log = logging.getLogger("tropism.watch")
_MINUTE = 60 * SECOND
_LEASE = "watch"
_MOST_CAUSES = 5


class Told(NamedTuple):
    """What a round knows of a task, for those who tell others: its version, facts and rules, `at` a moment (µs)."""

    version: int | None
    facts: Facts
    rules: tuple[Rule, ...]
    at: int


class Rounds:
    """Looks at all tasks. One worker at a time does; another takes over when it stops.

    `publish`: is handed what is known of each task after a round. `report`: of a task that has a champion, at a
    moment (µs), writes the report that is due, if one is.
    """

    def __init__(
        self,
        registry: Registry,
        watch: Watch,
        alerts: AlertStore,
        facts: FactSources,
        *,
        clock: Clock,
        real: Clock,
        holder: str,
        every: str,
        channels: Collection[str] = (),
        publish: Callable[[Mapping[str, Told]], None] | None = None,
        report: Callable[[Task, int], object] | None = None,
    ) -> None:
        self._registry, self._watch, self._alerts, self._facts = registry, watch, alerts, facts
        self._clock, self._real, self._holder = clock, real, holder
        self._every, self._channels, self._publish, self._report = every, tuple(channels), publish, report
        self._seen: dict[str, tuple[object, int]] = {}
        self._told: dict[str, Told] = {}

    def __call__(self) -> None:
        """One round. A task that cannot be looked at is logged, and keeps no other from it."""
        now = self._real.now()
        ttl = 3 * parse_duration(self._every) + _MINUTE
        if self._registry.leases.acquire(_LEASE, self._holder, ttl, now) is None:
            return
        tasks = self._registry.tasks.all()
        for task in tasks:
            self._try(task, self._look)
            if self._report is not None:
                self._try(task, self._tell)
        self._told = {task.name: self._told[task.name] for task in tasks if task.name in self._told}
        if self._publish is not None:
            self._publish(self._told)

    def _try(self, task: Task, act: Callable[[Task], None]) -> None:
        try:
            act(task)
        except TropismError as error:
            log.error("%s: %s", task.name, error)
        except Exception:
            log.exception("looking at %s failed; trying again", task.name)

    def _tell(self, task: Task) -> None:
        if self._report is not None and self._registry.aliases.live(task.name) is not None:
            self._report(task, self._clock.now())

    def _look(self, task: Task) -> None:
        now, registry = self._clock.now(), self._registry
        state = self._facts.cohorts.versions(task.name), registry.tasks.revision(), registry.aliases.generation()
        before, at = self._seen.get(task.name, (None, 0))
        if before == state and 0 <= now - at < min(_MINUTE, parse_duration(task.monitoring.window)):
            return
        watched = self._watch.look(task, now)
        facts = facts_of(self._facts, task, watched, now)
        rules = effective_rules(task.monitoring)
        changes = self._alerts.apply(task.name, rules, facts, now, self._channels, evidence_of(watched))
        for alert in changes.fired:
            log.warning("%s: alert %s", task.name, alert.message)
        for alert in changes.resolved:
            log.info("%s: alert %s is over", task.name, alert.rule)
        self._seen[task.name] = state, now
        self._told[task.name] = Told(watched.version, facts, rules, now)


def evidence_of(watched: Watched) -> dict[str, Any]:
    """What an alert is told with: the version, and what drifted since when, the strongest first."""
    causes = [
        {"feature": name, "score": round(monitor.columns[name], 3), "since": iso(monitor.since[name])}
        for monitor in watched.monitors.values()
        for name in monitor.causes[:_MOST_CAUSES]
    ]
    found: dict[str, Any] = {
        "version": watched.version,
        "causes": sorted(causes, key=lambda cause: -float(str(cause["score"]))),
    }
    segments = sorted(watched.segments.items(), key=lambda one: -one[1].score)
    drifting = [
        {"segment": name, "score": round(monitor.score, 3), "features": monitor.causes[:_MOST_CAUSES]}
        for name, monitor in segments[:_MOST_CAUSES]
        if monitor.score > 0
    ]
    if drifting:
        found["segments"] = drifting
    concept = watched.concept
    if concept is not None and concept.alarm is not None:
        found["concept"] = {
            "detector": concept.detector,
            "since": iso(concept.alarm),
            "before": concept.before,
            "recent": concept.recent,
        }
    return found
