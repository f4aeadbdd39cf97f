"""Something of everything that is known of a task, made up, so that what is shown of it can be looked at."""

from __future__ import annotations

import numpy as np

from tropism.core.clock import SECOND
from tropism.entrypoints.cli.monitor_task import Details
from tropism.loop.viewing.compare import Comparison
from tropism.loop.viewing.drift import ColumnDrift, DriftView
from tropism.loop.viewing.estimates import EstimatesView
from tropism.loop.viewing.performance import LossLevel, PerformanceView
from tropism.loop.viewing.quality import QualityView
from tropism.loop.viewing.segments import SegmentsView
from tropism.loop.viewing.service import ServiceView
from tropism.monitoring.counts import Binning
from tropism.monitoring.estimation import Estimate
from tropism.monitoring.figures import Figure
from tropism.monitoring.health.monitored import Cause, Monitored
from tropism.monitoring.health.moved import moved
from tropism.monitoring.multivariate import Cause as Share
from tropism.monitoring.multivariate import JointDrift
from tropism.monitoring.quality import Arrivals, FeatureQuality, Quality
from tropism.monitoring.segments.report import Search, Segment
from tropism.monitoring.service import ModelService, Service
from tropism.monitoring.tracking import Performance

DAY = 86_400 * SECOND
NOW = 20_000 * DAY
SERVED = ModelService(
    predictions=7_200,
    requests=7_200,
    errors=36,
    refused=2,
    degraded=1,
    outcomes=0,
    throughput=2.0,
    error_rate=0.005,
    latency_mean=0.01,
    latency_p50=0.009,
    latency_p95=0.0231,
    latency_p99=0.05,
)


def known() -> Details:
    service = Service(start=0, end=NOW, models={"payments": SERVED}, processes={})
    return Details(
        performance=_performance(),
        drift=_drift(),
        estimates=_estimates(),
        service=ServiceView(task="payments", since=0, until=NOW, whole=service, series=(service, service)),
        quality=_quality(),
        alerts=(),
        segments=_segments(),
        comparison=_comparison(),
    )


def _performance() -> PerformanceView:
    base = {"brier": Figure(1_200, 0.24, 0.23, 0.25)}
    windows = [
        Performance(
            start=NOW - DAY + place, end=NOW, version=None, rows=10, metrics=_brier(0.1 + place / 100), baseline=base
        )
        for place in range(8)
    ]
    overall = Performance(
        start=NOW - DAY,
        end=NOW,
        version=None,
        rows=1_200,
        metrics={"brier": Figure(1_200, 0.131, 0.119, 0.143)},
        baseline=base,
        coverage=0.97,
        delay=7_560.0,
        delay_p90=20_000.0,
    )
    decay = LossLevel(
        score=0.1, reference=0.12, recent=0.13, rows=9, since=NOW - DAY, alarm=None, alarms=0, run_length=9.0
    )
    return PerformanceView(
        task="payments",
        kind="binary",
        metric="brier",
        version=3,
        promoted_at=NOW - 9 * DAY,
        since=0,
        until=NOW,
        baseline="majority",
        rows=1_200,
        overall=overall,
        windows=tuple(windows),
        decay=decay,
    )


def _brier(value: float) -> dict[str, Figure]:
    return {"brier": Figure(10, value)}


def _drift() -> DriftView:
    monitor = Monitored(
        kind="features",
        score=0.95,
        run_length=80_000.0,
        alarm=NOW - DAY // 2,
        causes=(Cause(name="amount", score=0.95), Cause(name="hour", score=0.95), Cause(name="calm", score=0.05)),
        windows=4_000,
        alarms=1,
        reference="the last 20,000 rows before version 3 was trained",
        levels=tuple((NOW - DAY + place, place / 200) for place in range(200)),
        problems={"colour": "every value is missing"},
    )
    return DriftView(
        task="payments",
        version=3,
        since=None,
        until=NOW,
        score=0.95,
        alarm=True,
        causes=monitor.causes,
        columns=(_column("amount", 0.6), _column("hour", 0.2), _column("calm", 0.2)),
        monitors=(monitor,),
        measured=1_000,
        measured_since=NOW - DAY,
        waiting={"loss": "too few outcomes"},
    )


def _column(name: str, importance: float) -> ColumnDrift:
    bins = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    return ColumnDrift(
        name=name,
        type="number",
        score=0.95,
        since=NOW - DAY,
        importance=importance,
        weight=0.95 * importance,
        missing=(0.0, 10 / 110),
        outside=(0.0, 0.0),
        moved=moved(name, bins, np.array([0, 80, 20, 0, 0]), np.array([0, 20, 80, 0, 10])),
    )


def _estimates() -> EstimatesView:
    names = ("accuracy", "recall", "auc", "brier")
    return EstimatesView(
        task="payments",
        version=3,
        since=None,
        until=NOW,
        method="CBPE",
        assumption="the labels follow the scores as before",
        latest={name: Estimate(metric=name, value=0.5, low=0.4, high=0.6, rows=9) for name in names},
    )


def _quality() -> QualityView:
    broken = FeatureQuality(name="hour", rows=100, missing=11, score=0.89)
    found = Quality(score=0.95, features=(broken,), arrivals=Arrivals(rows=100, repeated=3), changes={})
    return QualityView(task="payments", version=3, rows=100, reference=100, found=found)


def _segments() -> SegmentsView:
    one = Segment(name="country = DE", rows=120, share=0.1, loss=0.3, outside=0.1, adjusted=0.001, significant=True)
    found = Search(worst=(one,), looked_at=40, rows=1_200, alpha=0.05, problems={})
    return SegmentsView(task="payments", metric="brier", version=3, rows=1_200, worst=found)


def _comparison() -> Comparison:
    found = JointDrift(
        method="adversarial",
        score=0.5,
        p_value=0.001,
        alpha=0.01,
        floor=0.1,
        triggered=True,
        causes=(Share(name="amount", share=0.8),),
        rows=(1_000, 1_000),
    )
    return Comparison(task="payments", version=3, method="adversarial", reference="the first rows", found=found)
