"""What answering requests needs. Built once a process, shared by predictions and outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.durations import parse_duration
from tropism.serving.publishing import Nobody, Publisher
from tropism.serving.requests import Limits

if TYPE_CHECKING:
    from tropism.core.clock import Clock
    from tropism.core.identity import Identifiers
    from tropism.serving.meters import Meters
    from tropism.serving.recording import Recorder
    from tropism.serving.settings import HttpSettings
    from tropism.serving.snapshot import SnapshotHolder


class Parts(NamedTuple):
    """For one event loop."""

    holder: SnapshotHolder
    recorder: Recorder
    clock: Clock
    identifiers: Identifiers
    settings: HttpSettings
    meters: Meters
    publisher: Publisher = Nobody()

    def limits(self) -> Limits:
        """What a request may hold."""
        tolerance = parse_duration(self.settings.future_tolerance, "http.future_tolerance")
        return Limits(self.settings.max_rows, tolerance)
