"""The report as one self-contained page: no script, no request to anywhere."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from tropism.core.clock import iso
from tropism.entrypoints.replay import sections
from tropism.entrypoints.replay.summary import verdict
from tropism.entrypoints.replay.wording import METRIC_NAMES

if TYPE_CHECKING:
    from tropism.entrypoints.replay.record import Report

_FOOTER = (
    "Every event was predicted before its label was used, and a label was used only once it was known. "
    "Policies are compared on the same events. This page is one file and loads nothing else."
)


def page(report: Report) -> str:
    """The whole page. Whatever comes from the data is escaped."""
    folder = files("tropism.entrypoints.replay")
    stream, best = report.stream, verdict(METRIC_NAMES[report.stream.task.metric_name], report.policies)
    parts = (
        sections.policies(report, best.best),
        sections.metric_over_time(report),
        sections.decisions(report),
        sections.calibration(report),
        sections.drift(report),
        sections.inference(report),
        sections.again(report),
    )
    name = stream.path.name
    return Template((folder / "page.html").read_text("utf-8")).substitute(
        title=escape(f"{name}: replay report"),
        style=(folder / "page.css").read_text("utf-8"),
        heading=f"Predicting “{escape(stream.task.target)}” in {escape(name)}",
        facts="".join(f"<li>{escape(what)} <b>{escape(value)}</b></li>" for what, value in _facts(report)),
        verdict_class="no-change" if best.best == "no-change" else "",
        verdict=escape(best.sentence[:1].upper() + best.sentence[1:]),
        sections="\n".join(part for part in parts if part),
        footer=escape(_FOOTER),
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    stream = report.stream
    span = "file order"
    if stream.time is not None:
        span = f"{iso(int(stream.at[0]))[:10]} to {iso(int(stream.at[-1]))[:10]}"
    delay = stream.delay_text
    known = "none" if delay == "0" else f"{int(delay):,} events" if delay.isdigit() else delay
    return [
        ("events", f"{len(stream):,}"),
        ("warm-up", f"{report.warmup:,}"),
        ("time", span),
        ("label delay", known),
        ("kind", stream.task.kind),
        ("metric", METRIC_NAMES[stream.task.metric_name]),
        ("served over HTTP", "yes" if report.served_over_http else "no"),
    ]
