"""Performance over time beside the baseline, all metrics, and what is estimated before labels come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health import charts
from tropism.monitoring.health.comparison import HIGHER_IS_BETTER
from tropism.monitoring.health.markup import Html, absent, details, section, table
from tropism.monitoring.health.wording import UNKNOWN, count, interval, metric_name, moment, share

if TYPE_CHECKING:
    from tropism.monitoring.figures import Figure
    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.tracking import Performance

_MARKED = ("promote", "rollback")
_MOST_MARKS = 40


def performance(facts: HealthFacts) -> Html:
    name = metric_name(facts.metric)
    better = "higher" if facts.metric in HIGHER_IS_BETTER else "lower"
    note = (
        f"The task's metric is the {name}; {better} is better. Figures are of predictions whose outcome is known, with "
        "95% intervals that allow for dependence between neighbours."
    )
    parts = [_chart(facts, better), _figures(facts), _estimates(facts)]
    return section("Performance", *parts, note=note)


def _chart(facts: HealthFacts, better: str) -> Html:
    windows = [one for one in facts.performance if one.version is None and facts.metric in one.metrics]
    if not windows:
        return absent("Performance over time", facts.why("performance"))
    lines = (
        charts.Line("model", "model", tuple(_point(one, one.metrics[facts.metric]) for one in windows)),
        charts.Line(
            "baseline",
            "baseline",
            tuple(_point(one, one.baseline[facts.metric]) for one in windows if facts.metric in one.baseline),
        ),
    )
    name = metric_name(facts.metric)
    frame = charts.Frame(
        ident="performance",
        title=f"{name} over time",
        description=f"{name} of the model and the baseline in {len(windows)} spans; the numbers stand below.",
        axis=f"{name}, {better} is better",
        span=(charts.begin(facts.start_at, lines), facts.end_at),
    )
    drawn = charts.over_time(frame, lines, _marks(facts))
    legend = (
        f'<p class="legend">{charts.key("model")}model, with its 95% interval {charts.key("baseline")}baseline on the '
        "same rows</p>"
    )
    return Html(f"<figure>{drawn}</figure>{legend}{_numbers(facts, windows)}")


def _point(one: Performance, found: Figure) -> charts.Point:
    return charts.Point((one.start + one.end) // 2, found.value, found.low, found.high)


def _marks(facts: HealthFacts) -> list[charts.Mark]:
    found = [
        charts.Mark(one.at, f"v{one.version}", f"{moment(one.at)}: {one.kind} of version {one.version}")
        for one in facts.decisions or ()
        if one.kind in _MARKED and one.version is not None and facts.start_at <= one.at <= facts.end_at
    ]
    return sorted(found)[-_MOST_MARKS:]


def _numbers(facts: HealthFacts, windows: list[Performance]) -> Html:
    rows = [
        [
            moment(one.start),
            count(one.rows),
            interval(one.metrics.get(facts.metric)),
            interval(one.baseline.get(facts.metric)),
            share(one.coverage),
        ]
        for one in windows
    ]
    head = ["from", "outcomes", "model", "baseline", "answered"]
    caption = f"{metric_name(facts.metric)} over time"
    return details("The numbers behind this chart", table(head, rows, caption=caption, numeric=range(1, 5)))


def _figures(facts: HealthFacts) -> Html:
    if facts.current is None:
        return absent("Figures of the period", facts.why("performance"))
    columns = [("in the period", facts.current.metrics), ("baseline", facts.current.baseline)]
    columns += [("at the model's start", facts.start.metrics)] if facts.start is not None else []
    columns += [(f"version {facts.former} before", facts.previous.metrics)] if facts.previous is not None else []
    names = [facts.metric, *(name for name in facts.current.metrics if name != facts.metric)]
    rows = [[metric_name(name), *(interval(found.get(name)) for _, found in columns)] for name in names]
    head = ["metric", *(name for name, _ in columns)]
    drawn = table(head, rows, caption="Metrics of the period", numeric=range(1, len(head)))
    missing = [absent("The baseline", facts.why("baseline"))] if not facts.current.baseline else []
    missing += [absent("The model's own start", facts.why("start"))] if facts.start is None else []
    return Html("".join([drawn, *missing]))


def _estimates(facts: HealthFacts) -> Html:
    if not facts.estimated:
        return absent("Estimated performance before labels", facts.why("estimated"))
    rows = [[metric_name(one.metric), interval(one), count(one.rows), one.note or ""] for one in facts.estimated]
    head = ["estimated before labels", f"value or “{UNKNOWN}”", "predictions", "to beware of"]
    return table(head, rows, caption="Estimated performance before labels come", numeric=(1, 2))
