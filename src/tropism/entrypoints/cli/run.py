"""`tropism up`, `down`, `status`: the processes of a project."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65_534), help="Public port; the control plane takes the next one (default: 8700)."
)
@click.option("--detach", is_flag=True, help="Go on in the background; `tropism down` stops it.")
@click.pass_obj
def up(project: Path, port: int | None, detach: bool) -> None:
    """Serve the project: data plane, control plane and loop worker. Ctrl-C stops all of them.

    \b
    tropism -C my-project up --detach --port 8800
    curl -s localhost:8800/readyz
    """
    from tropism.entrypoints.cli.run_up import run_up, start_in_background

    if detach:
        start_in_background(project, port)
    else:
        run_up(project, port)


@click.command()
@click.pass_obj
def down(project: Path) -> None:
    """Stop a project that is up.

    \b
    tropism -C my-project down
    """
    from tropism.entrypoints.cli.opening import settings_of
    from tropism.entrypoints.supervisor import bring_down

    click.echo("stopped" if bring_down(settings_of(project).folder) else "it was not up")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(project: Path, as_json: bool) -> None:
    """What runs, what each task's model is, how it does, what came back.

    \b
    tropism -C my-project status
    """
    from tropism.entrypoints.cli.show_status import show_status

    show_status(project, as_json)
