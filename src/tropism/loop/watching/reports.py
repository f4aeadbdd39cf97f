"""Health reports of tasks, written when they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.clock import DAY, SECOND
from tropism.core.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tropism.core.clock import Clock
    from tropism.core.task import Task
    from tropism.monitoring.watch.reports import Report, ReportStore
    from tropism.registry import Registry

_MONDAY = 4 * DAY
"""The first Monday of the epoch (µs): weeks begin there."""
_AGAIN = 3_600 * SECOND


class Reports:
    """Writes a report of each task at the end of each period, to every channel, once, whoever comes first.

    `every`: the period. `make`: the report of a task over so many days. One that cannot be made is tried again an hour
    later.
    """

    def __init__(
        self,
        registry: Registry,
        store: ReportStore,
        make: Callable[[str, int], Report],
        *,
        every: str,
        channels: Collection[str],
        real: Clock,
    ) -> None:
        self._registry, self._store, self._make, self._real = registry, store, make, real
        self._every, self._channels = parse_duration(every, "alerts.report"), tuple(channels)
        self._tried: dict[str, tuple[int, int]] = {}

    def __call__(self, task: Task, now: int) -> int:
        """Writes the report that is due at `now` (µs); for how many channels."""
        live = self._registry.aliases.live(task.name)
        if not self._every or not self._channels or live is None:
            return 0
        period = (now - _MONDAY) // self._every * self._every + _MONDAY
        tried, at = self._tried.get(task.name, (0, 0))
        if live.since > period or (tried == period and 0 <= self._real.now() - at < _AGAIN):
            return 0
        self._tried[task.name] = period, self._real.now()
        missing = self._store.missing(task.name, period, self._channels)
        if not missing:
            return 0
        report = self._make(task.name, max(round(self._every / DAY), 1))
        return self._store.put(task.name, period, missing, report, self._real.now())
