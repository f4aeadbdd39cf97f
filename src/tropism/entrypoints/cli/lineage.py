"""`tropism lineage`: what something came of, and what came of it."""

from __future__ import annotations

from pathlib import Path

import click

_KINDS = ("source", "view", "on-demand", "lake", "training-set", "model", "prediction")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name", metavar="ID")
@click.option("--up", is_flag=True, help="Only what it came of.")
@click.option("--down", is_flag=True, help="Only what came of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: nodes and edges.")
@click.option("--open-lineage", is_flag=True, help="Print OpenLineage events, one a line.")
@click.option("--send", metavar="URL", help="Send OpenLineage events to this address.")
@click.option("--namespace", help="Of the events' jobs and data sets (tropism://FOLDER).")
@click.pass_obj
def lineage(
    project: Path,
    kind: str,
    name: str,
    up: bool,
    down: bool,
    as_json: bool,
    open_lineage: bool,
    send: str | None,
    namespace: str | None,
) -> None:
    """Show what ID came of, and what came of it.

    From source over view, training set and model to prediction, both ways.

    \b
    tropism lineage model fraud/3
    tropism lineage view spend@2 --down
    tropism lineage prediction 01890a5d-ac96-774b-bcce-b302099a8057
    tropism lineage model fraud --send http://localhost:5000/api/v1/lineage
    """
    from tropism.entrypoints.cli.show_lineage import print_events, send_events, show_lineage

    direction = "both" if up == down else "up" if up else "down"
    if send is not None:
        send_events(project, kind, name, direction, send, namespace)
    elif open_lineage:
        print_events(project, kind, name, direction, namespace)
    else:
        show_lineage(project, kind, name, direction, as_json)
