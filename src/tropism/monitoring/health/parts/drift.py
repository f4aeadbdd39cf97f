"""What the monitors say, what causes it, and how far columns moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health import charts
from tropism.monitoring.health.markup import Html, absent, details, listing, safe, section, table
from tropism.monitoring.health.moved import groups
from tropism.monitoring.health.wording import MONITOR_NAMES, UNKNOWN, count, level, moment, number, share

if TYPE_CHECKING:
    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.health.monitored import Subject
    from tropism.monitoring.health.moved import Moved

_KINDS: tuple[Subject, ...] = ("features", "prediction", "loss")
_CAUSES, _DRAWN, _MEASURED = 12, 6, 60
_ALARM = 0.8


def drift(facts: HealthFacts) -> Html:
    note = (
        "A monitor's score is how much evidence there is that something moved by more than is tolerated: an alarm from "
        "0.8 on. Its budget is how many false alarms chance alone makes in that time, at most, on average."
    )
    missing = [
        absent(f"The monitor of {MONITOR_NAMES[kind]}", facts.why(kind))
        for kind in _KINDS
        if facts.monitor(kind) is None
    ]
    return section("Drift", _levels(facts), _budget(facts), *missing, _causes(facts), _measures(facts), note=note)


def _levels(facts: HealthFacts) -> Html:
    lines = [
        charts.Line(MONITOR_NAMES[one.kind], one.kind, tuple(charts.Point(*level) for level in one.levels))
        for one in facts.monitors
        if one.levels
    ]
    if not lines:
        return Html("")
    frame = charts.Frame(
        ident="levels",
        title="Scores of the monitors over time",
        description="; ".join(f"{line.name}: {_course(line)}" for line in lines),
        axis="score of evidence",
        span=(charts.begin(facts.start_at, lines), facts.end_at),
        limits=(0.0, 1.05),
        level=(_ALARM, "alarm"),
    )
    legend = " ".join(f"{charts.key(line.style)}{line.name}" for line in lines)
    return Html(f'<figure>{charts.over_time(frame, lines)}</figure><p class="legend">{legend}</p>')


def _course(line: charts.Line) -> str:
    top = max(line.points, key=lambda point: point.value)
    return f"last {level(line.points[-1].value)}, highest {level(top.value)} at {moment(top.at)}"


def _budget(facts: HealthFacts) -> Html:
    if not facts.monitors:
        return Html("")
    rows = [
        [
            MONITOR_NAMES[one.kind],
            level(one.score),
            f"on since {moment(one.alarm)}" if one.alarm is not None else "on" if one.alarming else "none",
            count(one.windows),
            count(one.alarms),
            f"{one.budget:.3g}",
            one.reference or UNKNOWN,
        ]
        for one in facts.monitors
    ]
    windows, alarms = (sum(getattr(one, name) for one in facts.monitors) for name in ("windows", "alarms"))
    budget = f"{sum(one.budget for one in facts.monitors):.3g}"
    rows.append(["all together", "", "", count(windows), count(alarms), budget, ""])
    head = ["monitor", "score", "alarm", "windows", "alarms in the period", "false alarms expected, at most"]
    caption = "Monitors and their false-alarm budget"
    return table([*head, "compares with"], rows, caption=caption, numeric=(1, 3, 4, 5))


def _causes(facts: HealthFacts) -> Html:
    features = facts.monitor("features")
    if features is None or not features.causes:
        return Html("" if features is None else '<p class="note">No feature shows any evidence of drift.</p>')
    shown, known = features.causes[:_CAUSES], {one.name: one for one in facts.moved}
    rows = [
        [
            cause.name,
            level(cause.score),
            share(cause.importance),
            level(cause.weight),
            moment(cause.since),
            _effect(known.get(cause.name)),
        ]
        for cause in shown
    ]
    head = ["feature", "score", "importance", "score by importance", "growing since", "moved by"]
    title = (
        f"Causes: the {len(shown)} strongest of {len(features.causes)}" if len(features.causes) > _CAUSES else "Causes"
    )
    return Html(f"<h3>{title}</h3>{table(head, rows, caption=title, numeric=range(1, 6))}{_histograms(facts)}")


def _effect(column: Moved | None) -> str:
    """Of numbers the mean way in standard deviations of the reference, of categories Cramér's V."""
    if column is None or column.chi_square is None:
        return UNKNOWN
    return f"V {column.chi_square:.2f}" if column.wasserstein is None else f"{column.wasserstein:.2f} sd"


def _histograms(facts: HealthFacts) -> Html:
    known, features = {one.name: one for one in facts.moved}, facts.monitor("features")
    names = [cause.name for cause in features.causes if cause.name in known] if features else []
    if not names:
        return Html("")
    drawn = "".join(
        f"<figure><figcaption>{safe(name)}</figcaption>{_histogram(known[name], place)}</figure>"
        for place, name in enumerate(names[:_DRAWN])
    )
    legend = (
        '<p class="legend"><span class="swatch reference"></span>reference (hollow, above) '
        '<span class="swatch current"></span>in the period (filled, below)</p>'
    )
    return Html(f'<div class="multiples">{drawn}</div>{legend}')


def _histogram(column: Moved, place: int) -> str:
    return charts.histogram(f"histogram-{place}", f"{column.name}: shares of rows", groups(column))


def _measures(facts: HealthFacts) -> Html:
    problems = dict(facts.problems)
    for one in facts.monitors:
        problems |= one.problems
    unread = [f"{name}: not watched: {why}" for name, why in sorted(problems.items())]
    said = listing(unread) if unread else ""
    if not facts.moved:
        return Html(f"{said}{absent('How far features moved', facts.why('measures'))}")
    ranked = sorted(facts.moved, key=lambda one: (-(one.jensen_shannon or 0.0), one.name))
    rows = [
        [
            one.name,
            number(one.kolmogorov_smirnov) if one.binning.kind == "number" else "",
            number(one.population_stability),
            number(one.jensen_shannon),
            number(one.wasserstein) if one.binning.kind == "number" else "",
            number(one.chi_square),
            count(sum(one.current)),
        ]
        for one in ranked[:_MEASURED]
    ]
    head = ["feature", "KS", "PSI", "Jensen-Shannon", "Wasserstein, sd", "Cramér's V", "rows"]
    caption = "How far features moved in the period"
    caption += f", the {_MEASURED} furthest of {len(ranked)}" if len(ranked) > _MEASURED else ""
    return Html(f"{said}{details(caption, table(head, rows, caption=caption, numeric=range(1, 7)))}")
