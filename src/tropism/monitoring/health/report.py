"""The report: the facts, the score made of them, and the recommendation."""

from __future__ import annotations

import msgspec

from tropism.monitoring.health.facts import HealthFacts
from tropism.monitoring.health.recommendation import Recommendation, recommend
from tropism.monitoring.health.score import Score, score


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Of one task's champion in one period."""

    facts: HealthFacts
    score: Score
    recommendation: Recommendation


def health(facts: HealthFacts) -> HealthReport:
    """The report that these facts make.

    >>> from tropism.monitoring.health.facts import HealthFacts
    >>> facts = HealthFacts(task="t", kind="binary", metric="brier", version=1, start_at=0, end_at=9, generated_at=9)
    >>> report = health(facts)
    >>> report.score.value, report.recommendation.action
    (None, 'wait')
    """
    return HealthReport(facts=facts, score=score(facts), recommendation=recommend(facts))


def to_json(report: HealthReport) -> bytes:
    """The report as JSON; `msgspec.json.decode(..., type=HealthReport)` reads it back. Times are µs since the epoch."""
    return msgspec.json.encode(report)
