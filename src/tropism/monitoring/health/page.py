"""The report as one self-contained page: no script, no request to anywhere. Printed, it is a clean PDF (A4)."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from tropism.monitoring.health.parts import data, drift, performance, running, summary
from tropism.monitoring.health.wording import UNKNOWN, metric_name, moment

if TYPE_CHECKING:
    from tropism.monitoring.health.report import HealthReport

_FOOTER = (
    "Times are UTC. “Not known” is not zero: what could not be told is said to be so, with the reason. "
    "This page is one file and loads nothing else."
)


def page(report: HealthReport) -> str:
    """The whole page. Whatever comes from the data is escaped.

    >>> from tropism.monitoring.health import HealthFacts, health
    >>> facts = HealthFacts(task="t", kind="binary", metric="brier", version=1, start_at=0, end_at=9, generated_at=9)
    >>> page(health(facts)).startswith("<!doctype html>")
    True
    """
    folder, facts = files("tropism.monitoring.health"), report.facts
    parts = (
        summary.score(report),
        performance.performance(facts),
        drift.drift(facts),
        running.segments(facts),
        data.quality(facts),
        data.feedback(facts),
        running.service(facts),
        running.alerts(facts),
        running.decisions(facts),
        summary.definition(),
    )
    return Template((folder / "page.html").read_text("utf-8")).substitute(
        title=escape(f"{facts.task}: health report"),
        style=(folder / "page.css").read_text("utf-8"),
        heading=f"Health of “{escape(facts.task)}”",
        facts="".join(f"<li>{escape(what)} <b>{escape(value)}</b></li>" for what, value in _facts(report)),
        verdict=summary.recommendation(report),
        sections="\n".join(parts),
        footer=escape(_FOOTER),
    )


def _facts(report: HealthReport) -> list[tuple[str, str]]:
    facts = report.facts
    return [
        ("score", summary.score_text(report.score)),
        ("version", UNKNOWN if facts.version is None else str(facts.version)),
        ("serving since", moment(facts.promoted_at)),
        ("period", f"{moment(facts.start_at)} to {moment(facts.end_at)}"),
        ("kind", facts.kind),
        ("metric", metric_name(facts.metric)),
        ("made", moment(facts.generated_at)),
    ]
