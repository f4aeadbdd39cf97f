"""One task's details as lines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from tropism.core.clock import SECOND
from tropism.entrypoints.cli.brief import coloured, interval, level, number, percent, seconds, spoken
from tropism.entrypoints.cli.drawing import bar, one_line, sparkline
from tropism.entrypoints.cli.movement import movement
from tropism.entrypoints.cli.show_alerts import alert_lines
from tropism.entrypoints.cli.tables import moment
from tropism.evaluation.metrics import higher_is_better
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.health.wording import MONITOR_NAMES, metric_name, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tropism.entrypoints.cli.monitor_task import Details
    from tropism.loop.viewing.compare import Comparison
    from tropism.loop.viewing.drift import DriftView
    from tropism.loop.viewing.estimates import EstimatesView
    from tropism.loop.viewing.performance import PerformanceView
    from tropism.loop.viewing.quality import QualityView
    from tropism.loop.viewing.segments import SegmentsView
    from tropism.loop.viewing.service import ServiceView
    from tropism.monitoring.health.monitored import Monitored
    from tropism.monitoring.quality import FeatureQuality
    from tropism.monitoring.segments.report import Segment

_MOST = 5
_ESTIMATED = 3
_FELT = 0.1
"""Evidence below is what chance brings."""
_NAME = 14
_INDENT = " " * (_NAME + 4)


def task_lines(found: Details, since: str, width: int) -> list[str]:
    """What people read of a task, in lines that are at most `width` wide where texts allow it."""
    seen = found.performance
    version = "no champion yet" if seen.version is None else f"version {seen.version}"
    begun = "" if seen.promoted_at is None else f", champion since {moment(seen.promoted_at)} UTC"
    lines = [click.style(found.performance.task, bold=True) + f" ({seen.kind}), {version}{begun}"]
    if seen.version is None:
        lines.append(f"  a baseline answers until there is one: tropism train {seen.task}, or wait for outcomes")
    parts = [
        _alerts(found, width),
        _monitors(found.drift, width),
        _causes(found.drift, width),
        _performance(seen, since, width),
        _estimates(found.estimates, seen.metric, width),
        _service(found.service, since, width),
        _quality(found.quality, width),
    ]
    if found.segments is not None:
        parts.append(_segments(found.segments, width))
    if found.comparison is not None:
        parts.append(_comparison(found.comparison, width))
    for part in parts:
        lines += part
    return lines


def _section(title: str, note: str = "") -> list[str]:
    return ["", click.style(title, bold=True) + (f"  {note}" if note else "")]


def _row(name: str, text: str, width: int) -> list[str]:
    """A name and what is said of it; further lines are indented."""
    head = f"  {one_line(name, _NAME):<{_NAME}}  "
    return textwrap.wrap(one_line(text), width, initial_indent=head, subsequent_indent=_INDENT) or [head.rstrip()]


def _alerts(found: Details, width: int) -> list[str]:
    if not found.alerts:
        return ["  no alerts are open"]
    lines = _section(f"{plural(len(found.alerts), 'alert')} open", f"tropism alerts --task {found.performance.task}")
    for one in found.alerts[:_MOST]:
        lines += [f"  {line}" for line in alert_lines(one, width - 2)]
    return lines


def _monitors(view: DriftView, width: int) -> list[str]:
    lines = _section("Monitors", "an alarm from 0.8 on")
    by_kind = {one.kind: one for one in view.monitors}
    for kind, name in MONITOR_NAMES.items():
        if (one := by_kind.get(kind)) is not None:  # type: ignore[call-overload]
            lines += _monitor(name, one, width)
            moved = [movement(column) for column in view.columns if kind == PREDICTION and column.name == kind]
            lines += [f"{_INDENT}{said}" for said in moved if said]
        elif kind in view.waiting:
            lines += _row(name, f"waits: {view.waiting[kind]}", width)
    return lines


def _monitor(name: str, one: Monitored, width: int) -> Iterator[str]:
    state = "" if one.alarm is None else f"ALARM since {moment(one.alarm)} UTC"
    line = f"  {name:<{_NAME}}  {coloured(f'{level(one.score):<5} {bar(one.score)}', one.score)}  {state}"
    yield line.rstrip()
    scores = [score for _, score in one.levels]
    if len(scores) > 1:
        yield f"{_INDENT}{sparkline(_pooled(scores, width - len(_INDENT)), 0.0, 1.0)}"
    false = f"{one.budget:.2g} false expected at most"
    said = f"{plural(one.windows, 'window')}, {plural(one.alarms, 'alarm')} ({false}), against {one.reference}"
    yield from textwrap.wrap(one_line(said), width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    for column, problem in one.problems.items():
        yield from textwrap.wrap(
            one_line(f"not watched: {column}: {problem}"), width, initial_indent=_INDENT, subsequent_indent=_INDENT
        )


def _pooled(values: Sequence[float], most: int) -> list[float]:
    """The highest of neighbours, so that there are at most `most`."""
    step = -(-len(values) // max(most, 1))
    return [max(values[first : first + step]) for first in range(0, len(values), step)]


def _causes(view: DriftView, width: int) -> list[str]:
    features = {cause.name for cause in view.causes if cause.score >= _FELT}
    columns = [one for one in view.columns if one.name in features][:_MOST]
    if not columns:
        return []
    by = "evidence x importance" if any(one.importance is not None for one in columns) else "evidence"
    lines = _section("Likely causes", f"by {by}")
    most = max(one.weight for one in columns) or 1.0
    for one in columns:
        weight = "" if one.importance is None else f" x {percent(one.importance)}"
        since = "" if one.since is None else f", since {moment(one.since)}"
        drawn = f"{bar(one.weight / most)} {level(one.score)}{weight}"
        lines += _row(one.name, f"{drawn}  {movement(one)}{since}", width)
    span = f"before -> in the {plural(view.measured, 'row')} from {moment(view.measured_since or 0)} UTC on"
    return lines + _row("", span, width)


def _performance(view: PerformanceView, since: str, width: int) -> list[str]:
    better = "higher" if higher_is_better(view.metric) else "lower"
    lines = _section(f"Performance: {metric_name(view.metric)}", f"{better} is better; matured in {spoken(since)}")
    whole = view.overall
    if whole is None or view.waiting:
        return lines + _row("", f"waits: {view.waiting or 'no prediction has matured in that time'}", width)
    now, beside = whole.metrics.get(view.metric), whole.baseline.get(view.metric)
    lines += _row("now", f"{interval(now)} of {plural(whole.rows, 'prediction')}", width)
    lines += _row("baseline", interval(beside) + (f", {view.baseline}" if view.baseline else ""), width)
    windows = [one for one in view.windows if one.version is None]
    model = [one.metrics[view.metric].value if view.metric in one.metrics else None for one in windows]
    base = [one.baseline[view.metric].value if view.metric in one.baseline else None for one in windows]
    known = [value for value in (*model, *base) if value is not None]
    if len(windows) > 1 and known:
        low, high = min(known), max(known)
        lines += [f"  {'model':<{_NAME}}  {sparkline(model, low, high)}  {number(low)} to {number(high)}"]
        lines += [f"  {'baseline':<{_NAME}}  {sparkline(base, low, high)}".rstrip()]
    if view.decay is not None and view.decay.recent is not None:
        found = view.decay
        said = f"mean loss {number(found.reference)} at the start, {number(found.recent)} since {moment(found.since)}"
        lines += _row("decay", f"{level(found.score)}; {said}", width)
    told = f"{percent(whole.coverage)} answered, half of them within {seconds(whole.delay)}"
    late = "" if whole.delay_p90 is None else f", 90% within {seconds(whole.delay_p90)}"
    return lines + _row("outcomes", told + late if whole.delay is not None else percent(whole.coverage), width)


def _estimates(view: EstimatesView, metric: str, width: int) -> list[str]:
    lines = _section("Expected before outcomes come", view.method)
    if view.waiting:
        return lines + _row("", f"waits: {view.waiting}", width)
    names = sorted(view.latest, key=lambda name: name != metric)[:_ESTIMATED]
    for name, one in ((name, view.latest[name]) for name in names):
        lines += _row(metric_name(name), interval(one) + (f"; {one.note}" if one.note else ""), width)
    return lines + _row("assumed", view.assumption, width) if view.assumption else lines


def _service(view: ServiceView, since: str, width: int) -> list[str]:
    lines = _section("Service", spoken(since))
    found = view.whole.models.get(view.task or "")
    if found is None:
        return lines + _row("", view.waiting or "nobody asked", width)
    parts = [one.models.get(view.task or "") for one in view.series]
    counts = [0.0 if one is None else one.throughput for one in parts]
    drawn = sparkline(counts, 0.0) if any(counts) else ""
    lines += _row("predictions", f"{drawn}  {number(found.throughput)}/s, {found.predictions:,} in all", width)
    slow = [None if one is None else one.latency_p95 for one in parts]
    told = f"p95 {seconds(found.latency_p95)}, p50 {seconds(found.latency_p50)}, p99 {seconds(found.latency_p99)}"
    lines += _row("latency", f"{sparkline(slow, 0.0)}  {told}", width)
    failed = f"{percent(found.error_rate)} failed ({found.errors:,}), {found.refused:,} refused"
    return lines + _row("errors", f"{failed}, {found.degraded:,} answered by a fallback", width)


def _quality(view: QualityView, width: int) -> list[str]:
    if view.waiting:
        return _section("Data quality") + _row("", f"waits: {view.waiting}", width)
    found = view.found
    lines = _section("Data quality", f"{percent(found.score)} of what is usual, newest {plural(view.rows, 'row')}")
    bad = [(one.name, said) for one in found.features if (said := _wrong(one))]
    for name, said in bad[:_MOST]:
        lines += _row(name, said, width)
    if len(bad) > _MOST:
        lines += _row("", f"and {len(bad) - _MOST} more features", width)
    came = found.arrivals
    counts = (
        (came.repeated, "with an id that came before"),
        (came.future, "from the future"),
        (came.backwards, "earlier than the one before"),
    )
    odd = [f"{plural(count, 'row')} {what}" for count, what in counts if count]
    return lines + (_row("arrivals", ", ".join(odd), width) if odd else [])


def _wrong(one: FeatureQuality) -> str:
    """What is wrong with a feature; nothing where it is as it used to be."""
    if one.problem:
        return one.problem
    if one.change:
        return {"new": "new since the training", "gone": "gone since the training", "retyped": "of another type"}[
            one.change
        ]
    if one.score is None or one.score >= 1.0:
        return ""
    kinds = ("missing", "unseen", "out_of_range", "non_finite")
    counts = {kind.replace("_", " "): getattr(one, kind) / max(one.rows, 1) for kind in kinds}
    return ", ".join(f"{percent(share)} {kind}" for kind, share in counts.items() if share)


def _segments(view: SegmentsView, width: int) -> list[str]:
    lines = _section("Worst segments", f"mean loss inside and outside, of {plural(view.rows, 'matured prediction')}")
    if view.waiting or view.worst is None:
        return lines + _row("", f"waits: {view.waiting}", width)
    for one in view.worst.worst:
        lines += _segment(one, width)
    if not view.worst.worst:
        lines += _row("", f"none of {view.worst.looked_at:,} looked at is surely worse than the others", width)
    for one in view.declared:
        lines += _segment(one, width, "declared: ")
    for name, problem in view.worst.problems.items():
        lines += _row(name, problem, width)
    return lines


def _segment(one: Segment, width: int, mark: str = "") -> list[str]:
    said = one.problem or (
        f"{number(one.loss)} inside, {number(one.outside)} outside, {plural(one.rows, 'row')} ({percent(one.share)}), "
        f"{'surely worse' if one.significant else 'no sure difference'} (p {one.adjusted:.2g})"
    )
    lines = textwrap.wrap(f"{mark}{one_line(one.name)}", width, initial_indent="  ", subsequent_indent="    ")
    return lines + textwrap.wrap(one_line(said), width, initial_indent="    ", subsequent_indent="    ")


def _comparison(view: Comparison, width: int) -> list[str]:
    lines = _section(f"All features together: {view.method}")
    found = view.found
    if found is None or found.problem:
        return lines + _row("", f"waits: {view.waiting}" if found is None else found.problem, width)
    verdict = "they changed" if found.triggered else "no sure change"
    lines += _row("score", f"{bar(found.score)} {found.score:.2f} of 1, {verdict} (p {found.p_value:.2g})", width)
    for one in found.causes[:_MOST]:
        lines += _row(one.name, f"{bar(one.share)} {percent(one.share)} of the change", width)
    before, now = found.rows
    return lines + _row("compared", f"{before:,} rows ({view.reference}) with {now:,}, {found.seconds:.1f}s", width)


def as_of(at: int) -> str:
    """When something was looked at.

    >>> as_of(0)
    'as of 1970-01-01 00:00:00 UTC'
    """
    return f"as of {moment(at)}:{at // SECOND % 60:02} UTC"
