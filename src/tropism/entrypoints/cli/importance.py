"""`tropism importance`: what a model relies on."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("task")
@click.option("--feature", metavar="NAME", help="This feature only.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Another version than the champion.")
@click.option(
    "--rows",
    type=click.IntRange(30, 1_000_000),
    default=5_000,
    show_default=True,
    metavar="N",
    help="The newest matured rows to measure on, at most.",
)
@click.option("--grouped", is_flag=True, help="Permute features that correlate above 0.9 by rank together.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def importance(
    project: Path, task: str, feature: str | None, version: int | None, rows: int, grouped: bool, as_json: bool
) -> None:
    """Show how much a model relies on each feature of TASK.

    Importance is what permuting a feature adds to the mean loss on matured predictions, with a 95% interval.

    \b
    tropism importance payments
    tropism importance payments --feature amount --version 2
    """
    from tropism.entrypoints.cli.show_importance import show_importance

    show_importance(project, task, feature, version, rows, grouped=grouped, as_json=as_json)
