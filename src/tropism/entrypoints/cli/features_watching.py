"""Commands of `tropism features` that watch what is served."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("task")
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="Predictions made so long ago at most.")
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="The newest predictions, at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def skew(project: Path, task: str, since: str, rows: int, as_json: bool) -> None:
    """Compute what TASK was served again, from the history, and compare.

    For each of the newest predictions its features are computed as of its moment, from what the store had taken in by
    then. They must be equal to the last bit. The exit status is 1 if any is not.

    \b
    tropism features skew fraud
    tropism features skew fraud --since 1h --json
    """
    from tropism.entrypoints.cli.show_features_watching import show_skew

    show_skew(project, task, since, rows, as_json)


@click.command()
@click.argument("names", metavar="[VIEW|FEATURE]...", nargs=-1)
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, metavar="N", help="Today is one.")
@click.option("--task", metavar="TASK", help="What this task was served only; otherwise every task.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def stats(project: Path, names: tuple[str, ...], days: int, task: str | None, as_json: bool) -> None:
    """Show statistics of features by day (UTC), and their drift.

    Features that are read as they are: of the rows of their source. All that tasks use: of what was served. Drift is
    that of the last days against what the champion was trained on, or against as many days before.

    \b
    tropism features stats
    tropism features stats spend.count_7d profile --days 30
    """
    from tropism.entrypoints.cli.show_features_watching import show_statistics

    show_statistics(project, names, days, task, as_json)
