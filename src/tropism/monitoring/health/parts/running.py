"""Service, cost, alerts, decisions and segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health.markup import Html, absent, section, table
from tropism.monitoring.health.wording import count, moment, number, plural, seconds, share

if TYPE_CHECKING:
    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.segments.report import Segment

_SHOWN = 30


def service(facts: HealthFacts) -> Html:
    told = facts.service
    parts: list[str] = []
    if told is None:
        parts.append(absent("Service", facts.why("service")))
    else:
        rows = [
            ["predictions", f"{count(told.predictions)} ({number(told.throughput)} a second)"],
            ["requests that failed by our fault", f"{count(told.errors)} ({share(told.error_rate)})"],
            ["requests that were refused", count(told.refused)],
            ["answers by the baseline or an older version", count(told.degraded)],
            ["latency, median", seconds(told.latency_p50)],
            ["latency, 95% point", seconds(told.latency_p95)],
            ["latency, 99% point", seconds(told.latency_p99)],
        ]
        parts.append(table(["", "in the period"], rows, caption="Service", numeric=(1,)))
    return section("Service and cost", *parts, _cost(facts))


def _cost(facts: HealthFacts) -> Html:
    if facts.cost is None:
        return absent("Cost", facts.why("cost"))
    parts = {"predictions": facts.cost.predictions, "processors": facts.cost.cpu, "GPUs": facts.cost.gpu}
    rows = [[name, f"{value:,.2f}"] for name, value in {**parts, "total": facts.cost.total}.items()]
    return table(["cost", facts.currency or "in the period"], rows, caption="Cost", numeric=(1,))


def alerts(facts: HealthFacts) -> Html:
    if facts.alerts is None:
        return section("Alerts", absent("Alerts", facts.why("alerts")))
    note = f"{plural(len(facts.alerts), 'alert')} in the period, {len(facts.open_alerts)} open at its end."
    rows = [
        [
            one.rule,
            one.severity,
            moment(one.fired_at),
            "open" if one.resolved_at is None else moment(one.resolved_at),
            one.message,
        ]
        for one in sorted(facts.alerts, key=lambda one: (one.resolved_at is not None, -one.fired_at))[:_SHOWN]
    ]
    head = ["rule", "severity", "fired", "resolved", "what it says"]
    return section("Alerts", table(head, rows, caption="Alerts") if rows else "", note=note)


def decisions(facts: HealthFacts) -> Html:
    if facts.decisions is None:
        return section("Decisions", absent("Decisions", facts.why("decisions")))
    made = [one for one in facts.decisions if one.kind != "wait"]
    note = f"{plural(len(made), 'decision')}, and {len(facts.decisions) - len(made)} to wait."
    rows = [
        [moment(one.at), one.kind, "" if one.version is None else f"v{one.version}", one.reason]
        for one in sorted(made, key=lambda one: -one.at)[:_SHOWN]
    ]
    note += f" The last {_SHOWN} are shown." if len(made) > _SHOWN else ""
    head = ["when", "decision", "version", "reason"]
    return section("Decisions", table(head, rows, caption="Decisions") if rows else "", note=note)


def segments(facts: HealthFacts) -> Html:
    found = facts.segments
    if found is None:
        return section("Worst segments", absent("Segments", facts.why("segments")))
    note = f"{count(found.looked_at)} segments of {count(found.rows)} labelled predictions were looked at; "
    note += f"of those listed, {share(found.alpha)} at most are there by chance, on average."
    if not found.worst:
        return section("Worst segments", note=f"{note} None is surely worse than the rest.")
    head = ["segment", "rows", "loss inside", "loss outside", "difference, 95% interval"]
    rows = map(_segment, found.worst)
    return section("Worst segments", table(head, rows, caption="Worst segments", numeric=range(1, 5)), note=note)


def _segment(one: Segment) -> list[str]:
    difference = number(one.difference)
    if one.low is not None and one.high is not None:
        difference += f" ({number(one.low)} to {number(one.high)})"
    return [one.name, f"{count(one.rows)} ({share(one.share)})", number(one.loss), number(one.outside), difference]
