"""`tropism run`: one process of a project, for those who have a supervisor of their own."""

from __future__ import annotations

from pathlib import Path

import click

NAMES = ("data-plane", "control-plane", "worker", "consumer")


@click.command()
@click.argument("process", type=click.Choice(NAMES))
@click.pass_obj
def run(project: Path, process: str) -> None:
    """Run one process of the project in the foreground, as a container does.

    The consumer takes the events of every stream whose broker the settings name (features.streams).
    Nothing is applied and nothing is restarted: `tropism up` does both. Logs go to standard error.

    \b
    tropism -C my-project run data-plane
    """
    from tropism.entrypoints.cli.opening import settings_of
    from tropism.entrypoints.foreground import FOREGROUND

    FOREGROUND[process](settings_of(project))
