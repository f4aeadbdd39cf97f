"""A comparison of runs as one SVG, or as a page that is one file and loads nothing."""

from __future__ import annotations

import math
import re
from html import escape
from typing import TYPE_CHECKING

from tropism.core import svg
from tropism.core.clock import iso
from tropism.entrypoints.tracking.recommending import better_of
from tropism.loop.runs import drawing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tropism.entrypoints.tracking.comparing import RunComparison
    from tropism.entrypoints.tracking.finding import Shown
    from tropism.entrypoints.tracking.statistics import Correlation

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;font-size:13px}
td,th{padding:.2rem .7rem .2rem 0;text-align:left;vertical-align:top}td.n{text-align:right}
.wide{overflow-x:auto}.box{border-left:4px solid #0b6e99;padding:.3rem 1rem;background:#f3f7f9}
svg{max-width:100%;height:auto}
"""
_MOST_SCATTERS = 6
_HEIGHT = re.compile(r'viewBox="0 0 (\S+) (\S+)"')


def charts(comparison: RunComparison) -> list[str]:
    """The drawings: metrics by step, bars of final metrics, parameters against the metric, correlations."""
    found = list(_by_step(comparison))
    names = _names(comparison.runs)
    for metric, values in comparison.metrics.items():
        rows = [(name, value) for name, value in zip(names, values, strict=True) if value is not None]
        ranges = [_range(run, metric) for run, value in zip(comparison.runs, values, strict=True) if value is not None]
        found.append(drawing.bars(_titled(metric), rows, ranges))
    found += _scatters(comparison, names)
    if comparison.correlations:
        found.append(_heat_map(comparison.correlations))
    return found


def as_svg(comparison: RunComparison) -> str:
    """All drawings below each other."""
    parts, top, widest = [], 0.0, drawing.WIDTH
    for text in charts(comparison):
        size = _HEIGHT.search(text)
        width, height = (float(size[1]), float(size[2])) if size else (drawing.WIDTH, drawing.HEIGHT)
        parts.append(text.replace("<svg ", f'<svg y="{top:g}" ', 1))
        top, widest = top + height + 12, max(widest, width)
    return svg.element(
        "svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {widest:g} {top:g}", width=widest, height=top
    )


def as_page(comparison: RunComparison) -> str:
    """The whole page. Whatever the runs say is escaped."""
    advice = comparison.recommendation
    unknown = "".join(f"<li>{escape(one)}</li>" for one in advice.not_known)
    notes = "".join(f"<li>{escape(one)}</li>" for one in (*comparison.not_tested, *comparison.notes))
    sections = [
        f'<div class="box"><b>{"Shown" if advice.shown else "Not shown"}.</b> {escape(advice.reason)}.</div>',
        f"<p>Not known:</p><ul>{unknown}</ul>" if unknown else "",
        "<h2>Runs</h2>" + _table(("run", "experiment", "status", "started", "id"), _runs(comparison.runs)),
        _params(comparison),
        "<h2>Charts</h2><p>Thin lines over bars are 95% intervals, where runs logged them.</p>"
        + "".join(f'<div class="wide">{one}</div>' for one in charts(comparison)),
        _correlation_table(comparison.correlations),
        _tests(comparison),
        f"<h2>Left out</h2><ul>{notes}</ul>" if notes else "",
    ]
    title = f"{len(comparison.runs)} runs compared"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{''.join(sections)}</body></html>\n"
    )


def _by_step(comparison: RunComparison) -> Iterable[str]:
    metrics = sorted({curve.metric for found in comparison.curves.values() for curve in found})
    names = _names(comparison.runs)
    for metric in metrics:
        found = [
            (place, (name, [(float(step), value) for step, value in curve.points]))
            for place, (run, name) in enumerate(zip(comparison.runs, names, strict=True))
            for curve in comparison.curves[run.id]
            if curve.metric == metric
        ]
        across = _across(metric)
        series, places = [one for _, one in found], [place for place, _ in found]
        yield drawing.lines(f"{metric} by {across}", series, across, metric, colours=places)


def _across(metric: str) -> str:
    """What the steps of a metric are."""
    if metric.startswith("curve_"):
        return "number of trees"
    return "number of the candidate" if metric == "candidate_loss" else "step"


def _titled(metric: str) -> str:
    """A metric with its unit, and with what is better of it."""
    if metric.endswith("_seconds"):
        return f"{metric.removesuffix('_seconds')} time (s, less is better)"
    better = better_of(metric)
    return metric if better is None else f"{metric} ({better} is better)"


def _scatters(comparison: RunComparison, names: Sequence[str]) -> list[str]:
    """The metric to choose by against each parameter that is a number, those first that go with it most."""
    metric = comparison.metric
    chosen = [one for one in comparison.correlations if one.metric == metric]
    chosen.sort(key=lambda one: -abs(one.value))
    found = []
    for one in chosen[:_MOST_SCATTERS]:
        points = [
            (name, _float(run.params.get(one.param, "")), run.metrics.get(metric, math.nan))
            for run, name in zip(comparison.runs, names, strict=True)
        ]
        found.append(drawing.dots(f"{metric} by {one.param}", points, one.param, metric))
    return found


def _heat_map(found: Sequence[Correlation]) -> str:
    params = list(dict.fromkeys(one.param for one in found))
    metrics = list(dict.fromkeys(one.metric for one in found))
    by_pair = {(one.param, one.metric): one for one in found}
    cells = [[_cell(by_pair[param, metric]) for metric in metrics] for param in params]
    few = "" if found[0].p is not None else ": too few runs to tell from chance"
    return drawing.shades(f"Spearman correlation over {found[0].n} runs{few}", params, metrics, cells)


def _cell(one: Correlation) -> tuple[float | None, str]:
    return one.value, f"{one.param} and {one.metric}: {told_correlation(one)}"


def told_correlation(one: Correlation) -> str:
    """A correlation in words.

    >>> from tropism.entrypoints.tracking.statistics import Correlation
    >>> told_correlation(Correlation(param="a", metric="b", n=3, value=0.5, p=None, adjusted=None))
    '+0.50 over 3 runs; too few runs (8 are needed) to tell it from chance'
    """
    lead = f"{one.value:+.2f} over {one.n} runs"
    if one.p is None or one.adjusted is None:
        return f"{lead}; too few runs (8 are needed) to tell it from chance"
    return f"{lead}; p {one.p:.2g}, {one.adjusted:.2g} by Holm"


def _range(run: Shown, metric: str) -> tuple[float, float] | None:
    low, high = run.metrics.get(f"{metric}_low", math.nan), run.metrics.get(f"{metric}_high", math.nan)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _runs(runs: Sequence[Shown]) -> list[tuple[str, ...]]:
    return [(run.name, run.experiment, run.status, iso(run.started_at), run.id) for run in runs]


def _params(comparison: RunComparison) -> str:
    if not comparison.params:
        return "<h2>Parameters</h2><p>All are the same.</p>"
    rows = [(name, *values) for name, values in comparison.params.items()]
    return "<h2>Parameters that differ</h2>" + _table(("parameter", *_names(comparison.runs)), rows)


def _correlation_table(found: Sequence[Correlation]) -> str:
    rows = [(one.param, one.metric, told_correlation(one)) for one in found]
    return "<h2>Correlations</h2>" + _table(("parameter", "metric", "Spearman"), rows) if rows else ""


def _tests(comparison: RunComparison) -> str:
    if not comparison.tests:
        return "<h2>Tests</h2><p>None: no two runs have losses on the same rows. The charts show figures only.</p>"
    names = dict(zip((run.id for run in comparison.runs), _names(comparison.runs), strict=True))
    rows = [
        (names[one.a], names[one.b], one.metric, str(one.rows), f"{one.value:+.4g} ({one.low:+.4g} to {one.high:+.4g})")
        for one in comparison.tests
    ]
    head = ("run", "less this one", "loss", "rows", "difference, 95% over all pairs")
    return "<h2>Differences on the same rows</h2>" + _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _names(runs: Sequence[Shown]) -> list[str]:
    """Names that tell the runs apart."""
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else f"{name} {run.id[:6]}" for run, name in zip(runs, names, strict=True)]


def _float(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    try:
        return words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        return math.nan
