"""The report as a few lines of plain text, for mail and terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health.parts.summary import score_text
from tropism.monitoring.health.recommendation import ACTIONS
from tropism.monitoring.health.score import PART_NAMES
from tropism.monitoring.health.wording import (
    MONITOR_NAMES,
    UNKNOWN,
    interval,
    level,
    listed,
    metric_name,
    moment,
    plural,
    seconds,
    share,
)

if TYPE_CHECKING:
    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.health.monitored import Monitored
    from tropism.monitoring.health.report import HealthReport

_EVIDENCE = 3
_LONGEST = 160


def text(report: HealthReport) -> str:
    """The report in about 25 lines, without the characters that would steer a terminal.

    >>> from tropism.monitoring.health import HealthFacts, health
    >>> facts = HealthFacts(task="t", kind="binary", metric="brier", version=1, start_at=0, end_at=9, generated_at=9)
    >>> print(text(health(facts)).splitlines()[3])
    Recommendation: Wait
    """
    facts, found = report.facts, report.recommendation
    version = "no model is serving" if facts.version is None else f"version {facts.version}"
    since = "" if facts.promoted_at is None else f", serving since {moment(facts.promoted_at)}"
    lines = [
        f"Health of {facts.task}: {version}{since}",
        f"{moment(facts.start_at)} to {moment(facts.end_at)} UTC",
        f"Score: {score_text(report.score)}",
        f"Recommendation: {ACTIONS[found.action]}",
        f"  {found.reason}",
        *(f"  - {said}" for said in found.evidence[:_EVIDENCE]),
        "",
        *(f"{PART_NAMES[part.name]:<42}{share(part.share):>10}" for part in report.score.parts),
        "",
        *_performance(facts),
        *(_monitor(one) for one in facts.monitors),
        *_others(facts),
    ]
    return "\n".join(_plain(line) for line in lines)


def _performance(facts: HealthFacts) -> list[str]:
    now, beside = facts.figure(facts.current), facts.figure(facts.current, baseline=True)
    name = metric_name(facts.metric)
    lines = [f"{name[:1].upper()}{name[1:]}: {interval(now)}; baseline {interval(beside)}"]
    if facts.start is not None:
        lines.append(f"At the model's start: {interval(facts.figure(facts.start))}")
    return lines


def _monitor(one: Monitored) -> str:
    causes = listed([cause.name for cause in one.causes]) if one.causes and one.kind == "features" else ""
    state = "ALARM" if one.alarming else "calm"
    alarms = f"{plural(one.alarms, 'alarm')}, {one.budget:.3g} false expected at most"
    return f"Monitor of {MONITOR_NAMES[one.kind]}: {state}, score {level(one.score)}; {alarms}" + (
        f"; {causes}" if causes else ""
    )


def _others(facts: HealthFacts) -> list[str]:
    told, quality, served = facts.feedback, facts.quality, facts.service
    feedback = UNKNOWN if told is None else f"{share(told.coverage)} answered, median delay {seconds(told.delay)}"
    latency = UNKNOWN if served is None else seconds(served.latency_p95)
    errors = UNKNOWN if served is None else share(served.error_rate)
    alerts = UNKNOWN if facts.alerts is None else f"{len(facts.alerts)} in the period, {len(facts.open_alerts)} open"
    lines = [
        f"Feedback: {feedback}",
        f"Data quality: {share(None if quality is None else quality.score)}",
        f"Service: 95% of answers within {latency}, error rate {errors}",
        f"Alerts: {alerts}",
    ]
    if facts.segments is not None and facts.segments.worst:
        lines.append(f"Worst segment: {facts.segments.worst[0].name}")
    return lines


def _plain(line: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in line)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
