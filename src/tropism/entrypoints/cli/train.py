"""`tropism train`: a training now, and the import of history."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("task")
@click.option("--data", type=click.Path(path_type=Path), help="Import a CSV or Parquet file of past rows first.")
@click.option("--time", help="The time column of --data; file order without it.")
@click.option("--actor", envvar="USER", default="cli", help="Who asks; goes into the decision.")
@click.pass_obj
def train(project: Path, task: str, data: Path | None, time: str | None, actor: str) -> None:
    """Train a challenger for TASK now. Without a champion it becomes one if it beats the baselines.

    \b
    tropism train payments --data history.csv --time at
    """
    from tropism.entrypoints.cli.run_train import run_train

    if time is not None and data is None:
        raise click.UsageError("--time names a column of --data; give both")
    run_train(project, task, data, time, actor or "cli")
