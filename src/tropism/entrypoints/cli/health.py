"""`tropism health`: a model's health in one report."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("task")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, metavar="N", help="The last N days.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "html", "json"]),
    default="text",
    show_default=True,
    help="The page of html has charts, and prints as a PDF.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it to a file.")
@click.option("--send", "channel", metavar="CHANNEL", help="Also send it, to a channel of alerts.")
@click.pass_obj
def health(project: Path, task: str, days: int, form: str, output: Path | None, channel: str | None) -> None:
    """Report how TASK's model fares: a score with its parts, and one recommendation with its reason.

    Performance beside the baseline, drift with its causes, what came back and how late, false alarms to be expected.

    \b
    tropism health payments
    tropism health payments --days 30 --format html --output health.html
    tropism health payments --send ops
    """
    from tropism.entrypoints.cli.run_health import report_health

    report_health(project, task, days, form, output, channel)
