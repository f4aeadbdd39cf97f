"""What views are made from. `wiring` builds it."""

from __future__ import annotations

from dataclasses import dataclass

from tropism.core.clock import Clock
from tropism.feedback.cohorts import Cohorts
from tropism.loop.watching.watch import Watch
from tropism.monitoring.alerts.store import AlertStore
from tropism.monitoring.costs import CostSettings
from tropism.registry import Registry
from tropism.storage.blobs import Blobs
from tropism.storage.lake import Lake


@dataclass(frozen=True)
class Sources:
    """Where the facts lie. `prices`: what time and predictions cost."""

    registry: Registry
    lake: Lake
    cohorts: Cohorts
    watch: Watch
    alerts: AlertStore
    blobs: Blobs
    clock: Clock
    prices: CostSettings
