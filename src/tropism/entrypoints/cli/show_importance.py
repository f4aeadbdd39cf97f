"""What `tropism importance` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from tropism.entrypoints.cli.opening import settings_of
from tropism.entrypoints.cli.progressing import progress_bars
from tropism.entrypoints.cli.tables import print_table
from tropism.entrypoints.permuted import Importances, task_of
from tropism.entrypoints.supervisor import running
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.entrypoints.permuted import TaskImportance
    from tropism.wiring import Platform


def show_importance(
    project: Path, task: str, feature: str | None, version: int | None, rows: int, *, grouped: bool, as_json: bool
) -> None:
    settings = settings_of(project)
    platform = open_platform(settings)
    if feature is not None:
        task_of(platform, feature, task)
    if running(settings.folder) is None:
        platform.ingest()  # otherwise the worker does it, every moment
    found = _measured(platform, task, version, rows, grouped)
    if feature is not None:
        found = msgspec.structs.replace(found, features=(found.of(feature),))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    _print(found)


def _measured(platform: Platform, task: str, version: int | None, rows: int, grouped: bool) -> TaskImportance:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("permuting {task.percentage:>3.0f}%"), BarColumn(), TimeRemainingColumn())
    with progress_bars(*columns) as progress:
        bar = progress.add_task("", total=1.0)
        return Importances(platform).measure(
            task, version, rows, grouped=grouped, progress=lambda share: progress.update(bar, completed=share)
        )


def _print(found: TaskImportance) -> None:
    head = ("rank", "feature", "importance", "lower", "upper")
    print_table(
        head, [(one.rank, ", ".join(one.features), one.importance, one.lower, one.upper) for one in found.features]
    )
    name = "error rate" if found.metric == "accuracy" else found.metric
    click.echo(
        f"{name} {found.loss:.4g} on the newest {found.rows:,} matured rows, with version {found.version}; baseline "
        f"{found.baseline} {found.baseline_loss:.4g} (lower is better)"
    )
    click.echo(f"importance: what permuting a feature adds to the mean {name}, with a 95% interval")
    if found.in_sample:
        click.echo("the model may have learnt from some of these rows, so it looks better on them than it is")
    for one in found.features:
        if one.note is not None:
            click.echo(f"  {', '.join(one.features)}: {one.note}")
