"""What `tropism runs` shows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.clock import SECOND, iso
from tropism.core.errors import Fault, NotWritable
from tropism.entrypoints.cli.drawing import bar, one_line, sparkline
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table, shown
from tropism.entrypoints.tracking import finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tropism.entrypoints.tracking.comparing import RunComparison
    from tropism.entrypoints.tracking.finding import Shown
    from tropism.entrypoints.tracking.statistics import Correlation

_MOST = 40
_MOST_TESTS = 10


def list_runs(project: Path, task: str | None, experiment: str | None, limit: int, as_json: bool) -> None:
    platform = open_project(project)
    if task is not None:
        platform.registry.tasks.get(task)
    found = finding.list_runs(platform.tracking, platform.clock.now(), experiment=experiment, task=task, limit=limit)
    if as_json:
        _print_json(found)
    elif not found:
        click.echo("no runs yet: each training is one, and scripts log more (docs/runs.md)")
    else:
        head = ("id", "name", "experiment", "status", "started", "learner", "loss", "version")
        print_table(head, [_row(run) for run in found])


def _row(run: Shown) -> tuple[object, ...]:
    return (
        run.id[:8],
        one_line(run.name, 60),
        one_line(run.experiment, 60),
        run.status.lower(),
        moment(run.started_at),
        run.params.get("learner"),
        run.metrics.get("loss"),
        run.tags.get("tropism.version"),
    )


def show_run(project: Path, wanted: str, as_json: bool) -> None:
    platform = open_project(project)
    run = finding.find_run(platform.tracking, wanted, platform.clock.now())
    if as_json:
        _print_json(finding.told(platform.tracking, run))
        return
    ended = f", ended {_second(run.ended_at)}" if run.ended_at is not None else ""
    click.echo(f"{one_line(run.name)}: {run.status.lower()}, started {_second(run.started_at)}{ended}")
    click.echo(f"id {run.id} in experiment {one_line(run.experiment)}")
    for title, values in (("parameters", run.params), ("tags", run.tags)):
        _say(title, {name: one_line(value, 160) for name, value in values.items()})
    _say("metrics", {name: shown(value) for name, value in run.metrics.items()})
    for curve in finding.curves(platform.tracking, run.id):
        line = [value for _, value in _thinned(curve.points)]
        steps = f"steps {curve.points[0][0]} to {curve.points[-1][0]}"
        click.echo(f"  {curve.metric}  {sparkline(line)}  {shown(line[0])} to {shown(line[-1])}, {steps}")
    if run.files:
        click.echo(f"files (print one: tropism runs show {run.id[:8]} --file PATH, where PATH is one of these):")
        for path in run.files:
            click.echo(f"  {path}")


def _second(at: int) -> str:
    return iso(at // SECOND * SECOND)


def show_file(project: Path, wanted: str, path: str, output: Path | None) -> None:
    platform = open_project(project)
    run = finding.find_run(platform.tracking, wanted, platform.clock.now())
    data = finding.read_file(platform.tracking, run.id, path)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        fault = Fault("--output", str(output), f"name a file that can be written: {error.strerror or error}")
        raise NotWritable("the file cannot be written", fault) from error


def show_comparison(found: RunComparison) -> None:
    names = {run.id: _name(run, found.runs) for run in found.runs}
    metrics = list(found.metrics)[:6]
    rows = [
        (names[run.id], run.status.lower(), *(found.metrics[name][place] for name in metrics))
        for place, run in enumerate(found.runs)
    ]
    print_table(("run", "status", *metrics), rows)
    _bars(found, names)
    _curves(found, names)
    if found.params:
        click.echo("parameters that differ:")
        print_table(("parameter", *names.values()), [(name, *values) for name, values in found.params.items()])
    _heat_map(found.correlations)
    best = found.recommendation.run
    told = [one for one in found.tests if len(found.tests) <= _MOST_TESTS or best in (one.a, one.b)]
    for one in told:
        click.echo(
            f"{names[one.a]} less {names[one.b]}: {one.metric} {one.value:+.4g} ({one.low:+.4g} to {one.high:+.4g}) on "
            f"the same {one.rows} rows{'' if one.decided else ': may be chance'}"
        )
    if not found.tests:
        click.echo("no tests: figures only")
    elif len(told) < len(found.tests):
        click.echo(f"  and {len(found.tests) - len(told)} pairs more: --json or --output has all")
    for note in (*found.not_tested, *found.notes):
        click.echo(f"  {one_line(note)}")
    advice = found.recommendation
    lead = f"take {names[advice.run]}" if advice.run is not None else "take none of them for this"
    click.echo(click.style(f"{lead}: ", bold=True) + one_line(advice.reason))
    for one_unknown in advice.not_known:
        click.echo(f"  not known: {one_line(one_unknown)}")


def _bars(found: RunComparison, names: Mapping[str, str]) -> None:
    values = found.metrics.get(found.metric, ())
    known = [abs(value) for value in values if value is not None]
    if not known or max(known) == 0:
        return
    click.echo(f"{found.metric}{f' ({found.better} is better)' if found.better else ''}:")
    width = max(len(name) for name in names.values())
    for name, value in zip(names.values(), values, strict=True):
        drawn = "-" if value is None else f"{bar(abs(value) / max(known), 30)} {shown(value)}"
        click.echo(f"  {name:<{width}}  {drawn}")


def _curves(found: RunComparison, names: Mapping[str, str]) -> None:
    metrics = sorted({curve.metric for curves in found.curves.values() for curve in curves})
    width = max(len(name) for name in names.values())
    for metric in metrics:
        drawn = {
            names[key]: _thinned(curve.points) for key, curves in found.curves.items() for curve in curves
            if curve.metric == metric
        }  # fmt: skip
        every = [value for points in drawn.values() for _, value in points]
        click.echo(f"{metric} by step:")
        for name, points in drawn.items():
            line = sparkline([value for _, value in points], min(every), max(every))
            click.echo(f"  {name:<{width}}  {line}  {shown(points[-1][1])} at step {points[-1][0]}")


def _heat_map(found: Sequence[Correlation]) -> None:
    if not found:
        return
    metrics = list(dict.fromkeys(one.metric for one in found))
    by_pair = {(one.param, one.metric): one for one in found}
    click.echo(f"correlation of parameters and metrics (Spearman, {found[0].n} runs; * below 0.05 by Holm):")
    rows = [
        (param, *(_cell(by_pair[param, metric]) for metric in metrics))
        for param in dict.fromkeys(one.param for one in found)
    ]
    print_table(("parameter", *metrics), rows)
    if found[0].p is None:
        click.echo(f"  too few runs: with {found[0].n} of the 8 needed none of these can be told from chance")


def _cell(one: Correlation) -> str:
    return f"{one.value:+.2f}{'*' if one.adjusted is not None and one.adjusted < 0.05 else ''}"


def _say(title: str, values: Mapping[str, str]) -> None:
    if values:
        click.echo(f"{title}:")
        width = min(max(len(name) for name in values), 40)
        for name, value in values.items():
            click.echo(f"  {one_line(name):<{width}}  {value}")


def _name(run: Shown, runs: Sequence[Shown]) -> str:
    alike = sum(other.name == run.name for other in runs) > 1
    return f"{one_line(run.name, 40)} {run.id[:6]}" if alike else one_line(run.name, 40)


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most 40 of them, the first and the last among them."""
    if len(points) <= _MOST:
        return list(points)
    places = sorted({round(place * (len(points) - 1) / (_MOST - 1)) for place in range(_MOST)})
    return [points[place] for place in places]


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
