"""`tropism doctor`: verifies everything that is stored."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.pass_obj
def doctor(project: Path) -> None:
    """Verify artifacts, audit trail and journal, and look at the machine. Exits with 1 when something is wrong.

    \b
    tropism -C my-project doctor
    """
    from tropism.entrypoints.cli.opening import open_project
    from tropism.verification import verify

    wrong = 0
    for check in verify(open_project(project)):
        mark = click.style("WRONG", fg="red", bold=True) if check.findings else click.style("   ok", fg="green")
        click.echo(f"{mark}  {check.name}: {check.summary}")
        for finding in check.findings:
            wrong += 1
            click.echo(f"         {finding}")
    if wrong:
        click.echo(f"{wrong} thing{'s' if wrong > 1 else ''} wrong")
        raise click.exceptions.Exit(1)
