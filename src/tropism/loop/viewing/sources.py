"""What views are made from. `wiring` builds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tropism.core.clock import Clock
from tropism.core.errors import Fault, UnknownTask
from tropism.core.faults import one_of
from tropism.feedback.cohorts import Cohorts
from tropism.loop.watching.watch import Watch
from tropism.monitoring.alerts.store import AlertStore
from tropism.monitoring.costs import CostSettings
from tropism.monitoring.watch.store import MonitorStore
from tropism.registry import Registry
from tropism.storage.blobs import Blobs
from tropism.storage.lake import Lake

if TYPE_CHECKING:
    from tropism.core.task import Task


@dataclass(frozen=True)
class Sources:
    """Where the facts lie. `prices`: what time and predictions cost. `kept`: where what is costly to find is kept by
    version; without it, it is found again each time."""

    registry: Registry
    lake: Lake
    cohorts: Cohorts
    watch: Watch
    alerts: AlertStore
    blobs: Blobs
    clock: Clock
    prices: CostSettings
    kept: MonitorStore | None = None

    def task(self, name: str) -> Task:
        """A task. Raises: UnknownTask: there is none of that name; says which is near."""
        try:
            return self.registry.tasks.get(name)
        except UnknownTask as error:
            known = [task.name for task in self.registry.tasks.all()]
            fix = one_of(name, known, "tasks", "declare it in project.py and run `tropism up`")
            raise UnknownTask(error.message, Fault("task", repr(name), fix)) from None
