"""What `tropism replay` does: reads the file, shows progress, prints what came of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tropism.entrypoints.replay.run import Plan, Replay, replay
from tropism.entrypoints.replay.stream import read_stream
from tropism.entrypoints.replay.summary import table_text, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.entrypoints.replay.stream import Stream


def run_replay(data: Path, *, policies: Sequence[str], features: Sequence[str] | None, **options: Any) -> None:
    stream = read_stream(
        data,
        target=options["target"],
        time=options["time"],
        features=features,
        kind=options["kind"],
        label_delay=options["label_delay"],
        limit=options["limit"],
    )
    for note in stream.notes:
        click.echo(f"  {note}")
    plan = Plan(
        policies=policies,
        warmup=options["warmup"],
        refit_every=options["refit_every"],
        learner=options["learner"],
        metric=options["metric"],
        seed=options["seed"],
        keep=options["keep"],
        command=shlex.join(["tropism", *sys.argv[1:]]),
    )
    found = show_replay(stream, plan, options["out"])
    click.echo(f"report: {found.html} and {found.json.name}")


def show_replay(stream: Stream, plan: Plan, out: Path) -> Replay:
    """Replay with a progress bar, and print the table and its verdict."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        bars: dict[str, Any] = {}

        def tell(policy: str, done: int, total: int) -> None:
            if policy not in bars:
                bars[policy] = progress.add_task(policy, total=total)
            progress.update(bars[policy], completed=done)

        found = replay(stream, plan, out, say=lambda text: progress.console.print(text), progress=tell)
    metric = stream.task.metric_name if plan.metric is None else plan.metric
    click.echo(table_text(found.report.stream.task.metric_name or metric, found.report.policies))
    click.echo(verdict(found.report.stream.task.metric_name, found.report.policies).sentence)
    return found
