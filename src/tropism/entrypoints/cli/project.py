"""`tropism init` and `tropism apply`: the project folder and its tasks."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a project folder: tropism.toml, project.py, README.md. Leaves files that exist as they are."""
    from tropism.entrypoints.cli.scaffold import scaffold

    made = scaffold(folder)
    for path in made:
        click.echo(f"made {path}")
    if not made:
        click.echo(f"{folder} is a project already; nothing changed")
    click.echo(f"Next: look at {folder / 'project.py'}, then run: tropism -C {folder} up")


@click.command()
@click.pass_obj
def apply(project: Path) -> None:
    """Store the tasks that project.py declares. Changes that would break history are refused."""
    from tropism.config import load_settings
    from tropism.wiring import apply_project

    for applied in apply_project(load_settings(project)):
        click.echo(f"{applied.name}: {applied.status}")
