"""What `tropism replay` does: reads the file, shows progress, prints what came of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.cli.progressing import progress_bars
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
    _require_new(options["keep"])
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


def _require_new(keep: Path | None) -> None:
    """The replayed project is one of its own: what another one left would mix with it."""
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        fault = Fault("--keep", str(keep), "name a folder that does not exist yet")
        raise DataInvalid("the folder to keep the replay in is taken", fault)


def show_replay(stream: Stream, plan: Plan, out: Path) -> Replay:
    """Replay with a progress bar, and print the table and its verdict."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with progress_bars(*columns) as progress:
        bars: dict[str, Any] = {}

        def tell(policy: str, done: int, total: int) -> None:
            if policy not in bars:
                bars[policy] = progress.add_task(policy, total=total)
                if progress.disable:
                    click.echo(f"  {policy}: {total:,} events", err=True)
            progress.update(bars[policy], completed=done)

        def say(text: str) -> None:
            progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

        found = replay(stream, plan, out, say=say, progress=tell)
    metric, policies = found.report.stream.task.metric_name, found.report.policies
    click.echo(table_text(metric, policies))
    click.echo(verdict(metric, policies).sentence)
    return found
