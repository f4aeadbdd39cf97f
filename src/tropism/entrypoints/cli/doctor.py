"""`tropism doctor`: verifies everything that is stored."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.pass_obj
def doctor(project: Path) -> None:
    """Verify artifacts, audit trail and journal, and look at the machine. Exits with 1 when something is wrong."""
    from tropism.config import load_settings
    from tropism.verification import verify
    from tropism.wiring import open_platform

    platform = open_platform(load_settings(project))
    checks = verify(platform)
    wrong = 0
    for check in checks:
        mark = click.style("ok", fg="green") if not check.findings else click.style("WRONG", fg="red", bold=True)
        click.echo(f"{mark:>5}  {check.name}: {check.summary}")
        for finding in check.findings:
            wrong += 1
            click.echo(f"         {finding}")
    if wrong:
        click.echo(f"{wrong} thing{'s' if wrong > 1 else ''} wrong")
        raise click.exceptions.Exit(1)
