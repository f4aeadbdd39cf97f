"""The parts of the report's page."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from tropism.entrypoints.replay import charts
from tropism.entrypoints.replay.axes import moment_text
from tropism.entrypoints.replay.wording import METRIC_NAMES, evidence_words, figure, headline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tropism.entrypoints.replay.record import Decision, Report
    from tropism.entrypoints.replay.summary import PolicySummary

_WHAT = {
    "loop": "the platform decides: trains challengers, promotes on evidence, rolls back",
    "static": "one model, trained at the end of the warm-up",
    "scheduled": "the same learner, refitted on a schedule",
    "no-change": "predicts the last known label",
}
_DRAWN = ("train", "promote", "rollback")
_SHOWN_DECISIONS = 400
_SHOWN_FEATURES = 16
_SPANS = 48
_LOWEST_TOP = 0.2


def policies(report: Report, best: str) -> str:
    """The table of policies."""
    metric = report.stream.task.metric_name
    accuracy = metric != "accuracy" and any(policy.accuracy is not None for policy in report.policies)
    head = ["policy", METRIC_NAMES[metric], "95% interval"]
    head += ["accuracy"] if accuracy else []
    head += ["models trained", "CPU seconds"]
    rows = []
    for policy in report.policies:
        interval = "" if policy.interval is None else " to ".join(map(figure, policy.interval))
        cells = [figure(policy.prequential), interval]
        cells += [figure(policy.accuracy)] if accuracy else []
        cells += [f"{policy.models_trained:,}", f"{policy.cpu_seconds:,.1f}"]
        what = f'<span class="what">{_WHAT[policy.name]}</span>' if policy.name in _WHAT else ""
        name = f'<th scope="row">{_key(policy.name)}{escape(policy.name)}{what}</th>'
        body = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        opening = '<tr class="best">' if policy.name == best else "<tr>"
        rows.append(f"{opening}{name}{body}</tr>")
    blocks = len(report.policies[0].windows)
    note = f"{METRIC_NAMES[metric].capitalize()}: {_better(report)} is better. "
    note += f"Intervals come from the means of {blocks} blocks, so they allow for dependence between neighbours. "
    note += "CPU of the loop is that of all its processes, serving and storage included."
    return _section("Policies on the same events", _table(head, rows, numeric=range(1, len(head))), note, "policies")


def metric_over_time(report: Report) -> str:
    """The chart of the metric, its legend, and its numbers."""
    metric, dated = METRIC_NAMES[report.stream.task.metric_name], report.stream.time is not None
    series = [
        charts.Series(policy.name, tuple((window.at, window.value) for window in policy.windows))
        for policy in report.policies
    ]
    marks = [
        charts.Mark(one.at, one.kind, one.version, f"{moment_text(one.at, dated)}: {_sentence(one)}")
        for one in report.decisions
        if one.kind in _DRAWN
    ]
    sizes = [window.n for window in report.policies[0].windows]
    description = (
        f"{metric} of {', '.join(policy.name for policy in report.policies)} in {len(sizes)} spans of about "
        f"{round(float(np.mean(sizes))):,} events each; the table below holds the numbers."
    )
    chart = charts.metric_chart(
        series,
        marks,
        axis=f"{metric}, {_better(report)} is better",
        dated=dated,
        title=f"{metric.capitalize()} over time",
        description=description,
    )
    legend = _legend() if marks else ""
    head = ["until", "events", *(policy.name for policy in report.policies)]
    rows = [
        _row([moment_text(spans[0].at, dated), f"{spans[0].n:,}", *(figure(span.value) for span in spans)])
        for spans in zip(*(policy.windows for policy in report.policies), strict=True)
    ]
    data = _details("The numbers behind this chart", _table(head, rows, numeric=range(1, len(head))))
    note = f"Each point is the mean over about {round(float(np.mean(sizes))):,} events."
    return _section(f"{metric.capitalize()} over time", f"<figure>{chart}</figure>{legend}{data}", note)


def decisions(report: Report) -> str:
    """The decisions and what they rest on. Looks that decided to wait are only counted."""
    dated = report.stream.time is not None
    made = [one for one in report.decisions if one.kind != "wait"]
    waits = len(report.decisions) - len(made)
    if not report.decisions:
        return _section("Decisions", "", "The loop made no decision on this stream.")
    rows = [
        "<tr>"
        f'<td class="when">{escape(moment_text(one.at, dated))}</td>'
        f'<td><span class="badge {one.kind if one.kind in _DRAWN else ""}">{escape(one.kind)}</span></td>'
        f"<td>{escape(headline(one))}</td><td>{escape(evidence_words(one))}"
        f'<span class="id">{escape(one.id)}</span></td></tr>'
        for one in made[:_SHOWN_DECISIONS]
    ]
    counts = {kind: sum(one.kind == kind for one in made) for kind in dict.fromkeys(one.kind for one in made)}
    note = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    note += f"; and {waits:,} looks that decided to wait" if waits else ""
    if len(made) > _SHOWN_DECISIONS:
        note += f"; the first {_SHOWN_DECISIONS} are shown, all are in report.json"
    note = f"{note}. Recompute any of them from the stored predictions: tropism decisions show ID"
    return _section("Decisions", _table(["when", "kind", "decision", "evidence and id"], rows), note, "tall")


def calibration(report: Report) -> str:
    """A small chart for each policy."""
    kind = report.stream.task.kind
    shown = [policy for policy in report.policies if policy.calibration]
    if not shown:
        return ""
    span = (0.0, 1.0) if kind != "regression" else _span(shown)
    words = {
        "binary": ("predicted probability", "share of events where it came true"),
        "multiclass": ("probability of the likeliest class", "share of events where it was right"),
        "regression": ("prediction", "what came"),
    }[kind]
    drawn = "".join(
        f"<div><h3>{_key(policy.name)}{escape(policy.name)}</h3>"
        + charts.calibration_chart(
            policy.name, policy.calibration, span=span, description=f"{words[0]} across, {words[1]} upwards"
        )
        + "</div>"
        for policy in shown
    )
    rows = [
        _row([policy.name, figure(b.predicted), figure(b.observed), f"{b.n:,}"])
        for policy in shown
        for b in policy.calibration
    ]
    data = _details("The numbers behind these charts", _table(["policy", *words, "events"], rows, numeric=range(1, 4)))
    note = f"Across: {words[0]}. Upwards: {words[1]}. On the dashed line the two agree; larger dots hold more events."
    return _section("Calibration", f'<div class="multiples">{drawn}</div>{data}', note)


def drift(report: Report) -> str:
    """Drift scores as shades, the features that moved most first."""
    if not report.drift:
        return ""
    dated = report.stream.time is not None
    times = np.array([one.at for one in report.drift])
    spans = min(_SPANS, len(np.unique(times)))
    low = int(times.min()) - max(1, int(times.max() - times.min()) // max(spans - 1, 1))
    edges = np.linspace(low, int(times.max()), spans + 1).astype(np.int64)
    place = np.clip(np.searchsorted(edges, times, side="left") - 1, 0, spans - 1)
    highest: dict[str, list[float | None]] = {}
    for one, column in zip(report.drift, place.tolist(), strict=True):
        scores = highest.setdefault(one.feature, [None] * spans)
        scores[column] = max(one.score, scores[column] or 0.0)
    ranked = sorted(highest.items(), key=lambda item: -max(score or 0.0 for score in item[1]))
    rows = ranked[:_SHOWN_FEATURES]
    top = max(_LOWEST_TOP, math.ceil(10 * max(score or 0.0 for _, scores in rows for score in scores)) / 10)
    description = (
        f"Scores of {', '.join(name for name, _ in rows)} from 0 to {figure(top)}; a stronger shade is more drift."
    )
    chart = charts.drift_chart(
        rows, edges.tolist(), top=top, dated=dated, title="Drift by feature over time", description=description
    )
    body = [
        _row([moment_text(int(edges[column + 1]), dated), *(figure(scores[column]) for _, scores in rows)])
        for column in range(spans)
    ]
    data = _details(
        "The numbers behind this chart", _table(["until", *(name for name, _ in rows)], body, range(1, len(rows) + 1))
    )
    left_out = f" The {len(rows)} that moved most of {len(ranked)}." if len(ranked) > len(rows) else ""
    note = f"How far each feature's values had moved by then; 0 is not at all.{left_out}"
    return _section("Drift", f"<figure>{chart}</figure>{charts.legend_shades(top)}{data}", note)


def inference(report: Report) -> str:
    """What was inferred from the file."""
    items = "".join(f"<li>{escape(note)}</li>" for note in report.stream.notes)
    return _section("What was read from the file", f'<ul class="notes">{items}</ul>' if items else "")


def again(report: Report) -> str:
    """How to run the same replay."""
    return _section("Run it again", f"<pre>{escape(report.command)}</pre>") if report.command else ""


def _sentence(decision: Decision) -> str:
    words = evidence_words(decision)
    return f"{headline(decision)} {words[:1].upper()}{words[1:]}." if words else headline(decision)


def _better(report: Report) -> str:
    return "higher" if report.stream.task.metric_name == "accuracy" else "lower"


def _span(shown: Sequence[PolicySummary]) -> tuple[float, float]:
    values = [value for policy in shown for b in policy.calibration for value in (b.predicted, b.observed)]
    pad = 0.05 * (max(values) - min(values)) or 1.0
    return min(values) - pad, max(values) + pad


def _section(title: str, body: str, note: str = "", class_: str = "") -> str:
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section{f' class={class_!r}' if class_ else ''}><h2>{escape(title)}</h2>{said}{body}</section>"


def _table(head: Sequence[str], rows: Iterable[str], numeric: Iterable[int] = ()) -> str:
    right = set(numeric)
    opening = ('<th scope="col">', '<th scope="col" class="n">')
    cells = "".join(f"{opening[position in right]}{escape(name)}</th>" for position, name in enumerate(head))
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'


def _row(cells: Sequence[str]) -> str:
    first, *rest = cells
    return f'<tr><td>{escape(first)}</td>{"".join(f"""<td class="n">{escape(cell)}</td>""" for cell in rest)}</tr>'


def _details(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _key(name: str) -> str:
    """The policy's line as it is drawn in the charts."""
    style = f"s-{name if name in charts.STYLED else 'other'}"
    return (
        '<svg class="key" viewBox="0 0 26 10" aria-hidden="true">'
        f'<polyline class="series {style}" points="0,5 26,5"/></svg>'
    )


def _legend() -> str:
    shapes = {
        '<polygon class="promote" points="7,1 13,12 1,12"/>': "promotion",
        '<polygon class="rollback" points="7,12 13,1 1,1"/>': "rollback",
        '<line class="train" x1="7" y1="2" x2="7" y2="12"/>': "a model was trained",
    }
    items = "".join(
        f'<li><svg viewBox="0 0 14 13" aria-hidden="true">{shape}</svg>{name}</li>' for shape, name in shapes.items()
    )
    return f'<ul class="legend">{items}<li>Point at a mark to read what it rests on.</li></ul>'
