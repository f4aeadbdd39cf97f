"""`tropism monitor`: how the models fare now."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("task", required=False)
@click.option("--since", metavar="TIME", help="Look back so far, such as 12h, or from a time on (default: 7d).")
@click.option("--segments", is_flag=True, help="Also the segments that fare worst.")
@click.option(
    "--method",
    type=click.Choice(["adversarial", "reconstruction"]),
    help="Also compare all features together with what they were; takes a while.",
)
@click.option("--check", is_flag=True, help="Exit with status 1 if an alert is open.")
@click.option("--watch", is_flag=True, help="Show it again every few seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def monitor(
    project: Path,
    task: str | None,
    since: str | None,
    segments: bool,
    method: Literal["adversarial", "reconstruction"] | None,
    check: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Show how the models fare: drift, decay, performance, labels, service and alerts.

    One line for each task; with TASK what is behind it: monitors and what they wait for, the likely causes,
    performance over time beside the baseline, and what is wrong with the data.

    \b
    tropism monitor
    tropism monitor payments --since 30d --segments
    tropism monitor --check
    """
    from tropism.entrypoints.cli.monitor_task import Asked
    from tropism.entrypoints.cli.show_monitor import show_monitor

    if task is None and (segments or method):
        raise click.UsageError("name the task to look into: tropism monitor TASK --segments")
    if watch and (as_json or check or method):
        raise click.UsageError("--watch shows it to people, again and again: leave --json, --check and --method out")
    asked = Asked(since=since, segments=segments, method=method)
    show_monitor(project, task, asked, check=check, watch=watch, as_json=as_json)
