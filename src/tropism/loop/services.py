"""What the loop's modules are handed. `wiring` builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tropism.core.clock import Clock
from tropism.feedback.cohorts import Cohorts
from tropism.loop.watching.watch import Watch
from tropism.registry import Registry
from tropism.storage.blobs import Blobs
from tropism.training.runs.settings import TrackingSettings
from tropism.training.settings import TrainingSettings


@dataclass(frozen=True)
class Services:
    """The loop's tools.

    `ingest` moves everything acknowledged so far from the journal into the lake. `work` holds training jobs.
    `real` is the machine's clock, for leases and heartbeats, which go on when virtual time stands still. `holder`
    is this worker's name, under which it holds jobs and leases. `tracking`: where runs are written besides the store.
    """

    registry: Registry
    cohorts: Cohorts
    blobs: Blobs
    blobs_url: str
    clock: Clock
    real: Clock
    ingest: Callable[[], None]
    work: Path
    training: TrainingSettings
    watch: Watch
    holder: str = "worker"
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
