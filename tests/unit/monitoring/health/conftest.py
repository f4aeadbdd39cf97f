from __future__ import annotations

from collections.abc import Callable
from math import sin
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.monitoring.costs import Cost
from tropism.monitoring.counts import Binning
from tropism.monitoring.estimation.estimate import Estimate
from tropism.monitoring.figures import Figure
from tropism.monitoring.health.facts import Decided, Feedback, HealthFacts, Raised
from tropism.monitoring.health.monitored import Cause, Monitored
from tropism.monitoring.health.moved import Moved, moved
from tropism.monitoring.quality import Arrivals, FeatureQuality, Quality
from tropism.monitoring.segments.report import Search, Segment
from tropism.monitoring.service import ModelService
from tropism.monitoring.tracking import Performance

START, END = 20_000 * DAY, 20_007 * DAY
HOSTILE = '<script src="https://evil.example/x.js">&\'"</script>'

Facts = Callable[..., HealthFacts]


def span(value: float, baseline: float, *, rows: int = 5_000, start: int = START, end: int = END) -> Performance:
    """A span with a Brier score of `value` beside the baseline's, both known to within 0.01."""
    near = 0.01
    return Performance(
        start=start,
        end=end,
        version=None,
        rows=rows,
        metrics={
            "brier": Figure(rows, value, value - near, value + near),
            "accuracy": Figure(rows, 0.9, 0.88, 0.92),
        },
        baseline={"brier": Figure(rows, baseline, baseline - near, baseline + near)},
        coverage=0.9,
        delay=3_600.0,
        delay_p90=7_200.0,
    )


def quality(*wrong: FeatureQuality, score: float = 0.99, rows: Arrivals | None = None) -> Quality:
    sound = FeatureQuality(name="amount", rows=1_000, type="number", distinct=900, score=1.0)
    return Quality(
        score=score,
        features=(*wrong, sound),
        arrivals=rows or Arrivals(rows=1_000, freshness=5.0),
        changes={one.name: one.change for one in wrong if one.change},
    )


def monitor(kind: Any, score: float, *causes: Cause, alarm: int | None = None) -> Monitored:
    on = START + 5 * DAY if score >= 0.8 and alarm is None else alarm
    return Monitored(
        kind=kind,
        score=score,
        run_length=86_400.0,
        alarm=on,
        causes=causes,
        windows=10_080,
        alarms=int(on is not None),
        started=START - 30 * DAY,
        reference="the last 20,000 rows before version 7 was trained",
        levels=tuple(
            (START + hour * 3_600 * SECOND, score * (hour / 167) ** 3 + 0.05 * (1 + sin(hour / 9)))
            for hour in range(168)
        ),
    )


def columns() -> tuple[Moved, ...]:
    random = np.random.default_rng(5)
    numbers = Binning(kind="number", edges=tuple(float(edge) for edge in range(60)))
    names = Binning(kind="category", names=("cash", "card", "transfer", HOSTILE))
    old = random.multinomial(20_000, np.r_[0.0, np.full(59, 1 / 59), 0.0, 0.0])
    weights = np.r_[0.01, np.linspace(0.5, 1.5, 59), 6.0, 1.0]
    return (
        moved("amount", numbers, old, random.multinomial(7_000, weights / weights.sum())),
        moved("method", names, np.array([500, 400, 80, 15, 5, 0]), np.array([300, 500, 60, 120, 10, 10])),
        moved("empty", numbers, old, np.zeros(62, np.int64)),
    )


@pytest.fixture
def sound() -> Facts:
    """A model with nothing wrong; what is given replaces its facts."""

    def make(**changes: Any) -> HealthFacts:
        facts = HealthFacts(
            task="fraud",
            kind="binary",
            metric="brier",
            version=7,
            former=6,
            start_at=START,
            end_at=END,
            generated_at=END + 60 * SECOND,
            promoted_at=START - 40 * DAY,
            window=DAY,
            current=span(0.10, 0.20),
            start=span(0.10, 0.20),
            monitors=(monitor("features", 0.1), monitor("prediction", 0.1), monitor("loss", 0.1)),
            quality=quality(),
            feedback=Feedback(predictions=6_000, answered=5_400, usual=0.9),
            alerts=(),
            decisions=(),
        )
        return msgspec.structs.replace(facts, **changes)

    return make


def busy() -> ModelService:
    """A week of traffic."""
    return ModelService(
        predictions=604_800,
        requests=604_000,
        errors=120,
        refused=31,
        degraded=4,
        outcomes=500_000,
        throughput=1.0,
        error_rate=120 / 604_120,
        latency_mean=0.004,
        latency_p50=0.0031,
        latency_p95=0.0092,
        latency_p99=0.021,
    )


def raised() -> tuple[Raised, ...]:
    """One alert that is open and one that is over."""
    return (
        Raised(id="a1", rule="drift", severity="high", fired_at=START + 5 * DAY, resolved_at=None, message=HOSTILE),
        Raised(
            id="a2",
            rule="latency",
            severity="medium",
            fired_at=START + DAY,
            resolved_at=START + DAY + 3_600 * SECOND,
            message="latency_p95: 0.61 (latency_p95 > 500ms)",
        ),
    )


def searched() -> Search:
    """One segment that is worse, with a hostile name."""
    return Search(
        worst=(
            Segment(
                name=f"method = {HOSTILE}",
                rows=420,
                share=0.083,
                loss=0.31,
                outside=0.13,
                difference=0.18,
                low=0.15,
                high=0.21,
                effect=0.17,
                significant=True,
                looked_at=190,
            ),
        ),
        looked_at=190,
        rows=5_040,
        alpha=0.05,
        problems={},
    )


def weeks() -> tuple[Performance, ...]:
    """Twenty-eight windows that grow worse."""
    random = np.random.default_rng(3)
    step = (END - START) // 28
    return tuple(
        span(
            0.10 + 0.002 * place + 0.01 * float(random.normal()),
            0.2 + 0.01 * float(random.normal()),
            rows=180,
            start=START + place * step,
            end=START + (place + 1) * step,
        )
        for place in range(28)
    )


@pytest.fixture
def full(sound: Facts) -> HealthFacts:
    """Everything there is to tell, with text from outside that would break a careless page."""
    causes = (
        Cause(name="amount", score=0.93, importance=0.41, since=START + 4 * DAY),
        Cause(name=HOSTILE, score=0.5, importance=0.2, since=START + 5 * DAY),
        Cause(name="method", score=0.61, importance=0.05, since=START + 4 * DAY),
    )
    return sound(
        task=f"fraud {HOSTILE}",
        performance=weeks(),
        current=span(0.15, 0.2),
        previous=span(0.12, 0.2),
        estimated=(Estimate(metric="brier", value=0.16, low=0.14, high=0.18, rows=2_000, note=HOSTILE),),
        monitors=(monitor("features", 0.93, *causes), monitor("prediction", 0.4), monitor("loss", 0.6)),
        moved=columns(),
        importance={"amount": 0.41, "method": 0.05},
        quality=quality(
            FeatureQuality(
                name=HOSTILE, rows=1_000, type="number", missing=60, unseen=0, out_of_range=20, share=0.08, score=0.92
            ),
            FeatureQuality(name="unread", rows=1_000, share=0.0, score=None, change="new"),
            rows=Arrivals(rows=1_000, repeated=3, future=1, backwards=7, step_back=90.0, freshness=12.0),
        ),
        feedback=Feedback(predictions=6_000, answered=5_040, usual=0.9, delay=5_400.0, delay_p90=43_000.0),
        service=busy(),
        cost=Cost(predictions=60.48, cpu=3.2, gpu=0.0),
        currency="EUR",
        alerts=raised(),
        decisions=(
            Decided(id="d1", at=START + 2 * DAY, kind="train", version=8, reason="52 new labels (trigger: 50)"),
            Decided(id="d2", at=START + 3 * DAY, kind="promote", version=8, reason=HOSTILE),
            Decided(id="d3", at=START + 4 * DAY, kind="wait", version=9, reason=""),
        ),
        segments=searched(),
        problems={},
        absent={"cost": "no price is set"},
    )
