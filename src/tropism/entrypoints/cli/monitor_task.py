"""Everything that is known of one task, collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.loop.viewing.compare import Comparison, Method, compare
from tropism.loop.viewing.drift import DriftView, drift
from tropism.loop.viewing.estimates import EstimatesView, estimated
from tropism.loop.viewing.performance import PerformanceView, performance
from tropism.loop.viewing.quality import QualityView, quality_of
from tropism.loop.viewing.segments import SegmentsView, worst_segments
from tropism.loop.viewing.service import ServiceView, service_of
from tropism.loop.viewing.spans import since_of
from tropism.monitoring.alerts import Alert

if TYPE_CHECKING:
    from tropism.loop.viewing.sources import Sources

SPAN = "7d"
BINS = 24
_MOST_ALERTS = 10_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to see. `since`: a span or a time; None: the last SPAN, and monitors since they began."""

    since: str | None = None
    segments: bool = False
    method: Method | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """One task. `segments`, `comparison`: where they were asked for."""

    performance: PerformanceView
    drift: DriftView
    estimates: EstimatesView
    service: ServiceView
    quality: QualityView
    alerts: tuple[Alert, ...]
    segments: SegmentsView | None = None
    comparison: Comparison | None = None


def details(sources: Sources, name: str, asked: Asked) -> Details:
    """Performance and segments are of the predictions that matured in the time asked for.

    Raises:
        UnknownTask: there is none of that name.
        InvalidInput: `since` is neither a span nor a time, or a declared segment is none.
    """
    task, now = sources.task(name), sources.clock.now()
    since = since_of(asked.since or SPAN, now, "--since")
    made, given = max(since - task.window, 0), None if asked.since is None else since
    return Details(
        performance=performance(sources, name, since=made, bins=BINS),
        drift=drift(sources, name, since=given),
        estimates=estimated(sources, name, since=since, bins=BINS),
        service=service_of(sources, name, since=since, bins=BINS),
        quality=quality_of(sources, name, since=given),
        alerts=sources.alerts.list(name, "open", _MOST_ALERTS),
        segments=worst_segments(sources, name, since=made) if asked.segments else None,
        comparison=None if asked.method is None else compare(sources, name, asked.method, since=given),
    )
