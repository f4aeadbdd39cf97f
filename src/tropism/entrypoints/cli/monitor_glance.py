"""How each task fares, in one line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import TropismError
from tropism.entrypoints.cli.brief import coloured, figure, level, number, percent, seconds, spoken
from tropism.entrypoints.cli.drawing import one_line
from tropism.loop.viewing.estimates import estimated
from tropism.loop.viewing.performance import performance
from tropism.loop.viewing.service import service_of
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.estimation import Estimate
from tropism.monitoring.figures import Figure
from tropism.monitoring.health.wording import MONITOR_NAMES
from tropism.monitoring.service import ModelService

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.watch import Watched

_HEAD = ("task", "drift", "decay", "now", "base", "est.", "labels", "late", "/s", "p95", "err", "open")
_LEGEND = (
    "drift, decay: an alarm (!) from 0.8 on. now: {metrics} of what matured in {span}, with half its 95% interval; "
    "base: the best baseline's; est.: expected before outcomes come. late: median delay of outcomes. open: alerts."
)
_LEAST_NAME = 8
_MOST_ALERTS = 10_000


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """A task now. None is what is not known.

    `drift`, `decay`: scores of its monitors, 0 to 1, an alarm from 0.8 on. `now`, `baseline`: the task's `metric` of
    what matured in the time looked at, of `rows`; `estimated`: what is to be expected of newer predictions. `coverage`,
    `delay`: share that is answered, and median seconds until then. `service`: of the task's period. `alerts`: open.
    `waiting`: what is missing. `problem`: why it could not be looked at.
    """

    task: str
    metric: str
    version: int | None = None
    drift: float | None = None
    decay: float | None = None
    rows: int = 0
    now: Figure | None = None
    baseline: Figure | None = None
    estimated: Estimate | None = None
    coverage: float | None = None
    delay: float | None = None
    service: ModelService | None = None
    alerts: int = 0
    waiting: str = ""
    problem: str = ""


def glances(sources: Sources, span: int) -> list[Glance]:
    """Every task, by name; one that cannot be looked at hides no other. `span`: how far back (µs)."""
    found = []
    for task in sources.registry.tasks.all():
        try:
            found.append(glance(sources, task, span))
        except TropismError as error:
            found.append(Glance(task=task.name, metric=task.metric_name, problem=error.message))
    return found


def glance(sources: Sources, task: Task, span: int) -> Glance:
    now = sources.clock.now()
    watched = sources.watch.known(task)
    seen = performance(sources, task.name, since=max(now - span - task.window, 0), bins=1)
    expected = estimated(sources, task.name, since=max(now - span, 0), bins=1)
    served = service_of(sources, task.name, since=now - parse_duration(task.monitoring.period), bins=1)
    scores = {kind: monitor.score for kind, monitor in watched.monitors.items()}
    whole, metric = seen.overall, task.metric_name
    return Glance(
        task=task.name,
        metric=metric,
        version=watched.version,
        drift=max((scores[kind] for kind in (FEATURES, PREDICTION) if kind in scores), default=None),
        decay=scores.get(LOSS),
        rows=seen.rows,
        now=None if whole is None else whole.metrics.get(metric),
        baseline=None if whole is None else whole.baseline.get(metric),
        estimated=expected.latest.get(metric),
        coverage=None if whole is None else whole.coverage,
        delay=None if whole is None else whole.delay,
        service=served.whole.models.get(task.name),
        alerts=len(sources.alerts.list(task.name, "open", _MOST_ALERTS)),
        waiting="; ".join(_waiting(watched, seen.waiting)),
    )


def _waiting(watched: Watched, performance: str) -> list[str]:
    if watched.version is None:
        return list(dict.fromkeys(watched.waiting.values()))
    by_reason: dict[str, list[str]] = {}
    for kind, why in watched.waiting.items():
        by_reason.setdefault(why, []).append(MONITOR_NAMES[kind])
    told = [f"monitor of {', '.join(kinds)}: {why}" for why, kinds in by_reason.items()]
    return [*told, *([performance] if performance else [])]


def glance_lines(found: Sequence[Glance], since: str, width: int, *, cut: bool = False) -> list[str]:
    """One line a task below a head, then what they mean. `cut`: names that do not fit into `width` are cut short."""
    if not found:
        return ["no tasks are stored yet: `tropism up` stores those that project.py declares"]
    rows = [_cells(one) for one in found]
    widths = [max(len(row[place]) for row in (_HEAD, *rows)) for place in range(len(_HEAD))]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    if cut:
        over = sum(widths) + gap * (len(widths) - 1) - width
        widths[0] = max(widths[0] - max(over, 0), min(_LEAST_NAME, widths[0]))
    lines = [click.style(_line(_HEAD, widths, gap), bold=True)]
    lines += [_coloured(one, row, widths, gap) for one, row in zip(found, rows, strict=True)]
    notes = [f"{one.task}: {one.problem or one.waiting}" for one in found if one.problem or one.waiting]
    metrics = ", ".join(dict.fromkeys(one.metric for one in found))
    notes.append(_LEGEND.format(metrics=metrics, span=spoken(since)))
    return [*lines, "", *(line for note in notes for line in textwrap.wrap(one_line(note), min(width, 100)))]


def _cells(one: Glance) -> tuple[str, ...]:
    return (
        one_line(one.task),
        level(one.drift),
        level(one.decay),
        figure(one.now),
        number(None if one.baseline is None else one.baseline.value),
        number(None if one.estimated is None else one.estimated.value),
        percent(one.coverage),
        seconds(one.delay),
        *_served(one.service),
        str(one.alerts) if one.alerts else "-",
    )


def _served(found: ModelService | None) -> tuple[str, str, str]:
    if found is None:
        return "-", "-", "-"
    return number(found.throughput), seconds(found.latency_p95), percent(found.error_rate)


def _line(cells: Sequence[str], widths: Sequence[int], gap: int) -> str:
    return (" " * gap).join(_padded(cells, widths)).rstrip()


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    name = cells[0] if len(cells[0]) <= widths[0] else f"{cells[0][: widths[0] - 1]}~"
    return [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]


def _coloured(one: Glance, cells: Sequence[str], widths: Sequence[int], gap: int) -> str:
    padded = _padded(cells, widths)
    padded[1], padded[2] = coloured(padded[1], one.drift), coloured(padded[2], one.decay)
    if one.alerts:
        padded[-1] = click.style(padded[-1], fg="red", bold=True)
    return (" " * gap).join(padded)
