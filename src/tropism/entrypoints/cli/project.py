"""`tropism init` and `tropism apply`: the project folder and its tasks."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.pass_obj
def init(project: Path, folder: Path | None) -> None:
    """Make a project in FOLDER (this folder without it): tropism.toml, project.py, README.md.

    Files that exist stay as they are.

    \b
    tropism init my-project
    """
    from tropism.entrypoints.cli.scaffold import scaffold

    chosen = project if folder is None else folder
    made = scaffold(chosen)
    for path in made:
        click.echo(f"made {path}")
    if not made:
        click.echo(f"{chosen} is a project already; nothing changed")
    here = "" if chosen.resolve() == Path.cwd() else f" -C {shlex.quote(str(chosen))}"
    click.echo(f"Next: look at {chosen / 'project.py'}, then run: tropism{here} up")


@click.command()
@click.pass_obj
def apply(project: Path) -> None:
    """Store the tasks, features and experiments that project.py declares.

    Changes that would break history are refused.

    \b
    tropism -C my-project apply
    """
    from tropism.entrypoints.cli.opening import settings_of
    from tropism.wiring import apply_project

    for applied in apply_project(settings_of(project)):
        click.echo(f"{applied.name}: {applied.status}")
