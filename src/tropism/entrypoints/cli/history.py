"""`tropism history`: where a model's aliases pointed, and who moved them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.option("--alias", metavar="ALIAS", help="Only this one, such as champion.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many moves.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def history(project: Path, model: str, alias: str | None, limit: int, as_json: bool) -> None:
    """Show where the aliases of MODEL pointed, the newest move first: when, from, to, by whom, and why.

    \b
    tropism history payments
    tropism history payments --alias champion
    """
    from tropism.entrypoints.cli.show_history import show_history

    show_history(project, model, alias, limit, as_json)
