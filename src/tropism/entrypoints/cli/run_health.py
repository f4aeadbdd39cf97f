"""What `tropism health` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.run_alerts import channel_of
from tropism.entrypoints.cli.writing import write_text
from tropism.loop.viewing.health import health
from tropism.monitoring.delivery.base import Notice
from tropism.monitoring.health import page, text, to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.monitoring.delivery.base import Channel
    from tropism.monitoring.health import HealthReport
    from tropism.wiring import Platform


def _json(report: HealthReport) -> str:
    return to_json(report).decode() + "\n"


_FORMS: dict[str, Callable[[HealthReport], str]] = {"text": text, "html": page, "json": _json}


def report_health(project: Path, task: str, days: int, form: str, output: Path | None, channel: str | None) -> None:
    platform = open_project(project)
    receiver = None if channel is None else channel_of(platform, channel)
    report = health(platform.sources, task, days=days)
    written = _FORMS[form](report)
    if output is None:
        click.echo(written, nl=not written.endswith("\n"))
    else:
        write_text(output, written)
        click.echo(str(output))
    if receiver is not None and channel is not None:
        _send(platform, receiver, channel, report)


def _send(platform: Platform, receiver: Channel, channel: str, report: HealthReport) -> None:
    """Sends it at once, past the outbox: whoever asks is there to ask again."""
    now, task = platform.real.now(), report.facts.task
    body = {"type": "report", "title": f"Health of {task}", "text": text(report), "html": page(report)}
    identifier = Identifiers().new(now, task_tag(task))
    answer = receiver.send(Notice(id=identifier, channel=channel, event="report", body=body, created_at=now))
    if not answer.delivered:
        click.echo(f"'{channel}' did not accept the report: {answer.reason or answer.kind}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"sent to '{channel}'", err=True)
