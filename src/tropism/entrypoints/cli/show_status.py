"""What `tropism status` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.entrypoints.cli.tables import shown
from tropism.entrypoints.standing import standing
from tropism.entrypoints.supervisor import running
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from tropism.config import Settings


def show_status(settings: Settings, as_json: bool) -> None:
    platform = open_platform(settings)
    up = running(settings.folder)
    tasks = [standing(platform, task.name) for task in platform.registry.tasks.all()]
    if as_json:
        reply = {"up": up is not None, "pid": up.pid if up else None, "tasks": tasks}
        click.echo(msgspec.json.format(msgspec.json.encode(reply)).decode())
        return
    address = f"http://{settings.http.host}:{settings.http.port}"
    click.echo(f"up on {address} (process {up.pid})" if up else "not up: run `tropism up`")
    if not tasks:
        click.echo("no tasks yet: declare one in project.py")
    for task in tasks:
        _show(task)


def _show(task: dict[str, Any]) -> None:
    click.echo()
    click.echo(click.style(task["name"], bold=True) + f" ({task['kind']})")
    champion = task["champion"]
    if champion is None:
        click.echo("  no champion yet; a baseline answers")
    else:
        previous = "" if task["previous"] is None else f", before it version {task['previous']}"
        click.echo(
            f"  champion: version {champion} since {task['champion_since']}{previous}; {task['versions']} versions"
        )
    performance = task["performance"]
    if performance:
        best = min(performance["baselines"].items(), key=lambda one: one[1])
        click.echo(
            f"  {performance['metric']}: {shown(performance['loss'])} "
            f"({shown(performance['low'])} to {shown(performance['high'])}) over {performance['predictions']} matured "
            f"predictions; best baseline {best[0]} {shown(best[1])}; lower is better"
        )
    click.echo("  outcomes: " + ", ".join(f"{count} {name}" for name, count in task["outcomes"].items()))
    for test in task["tests"]:
        click.echo(f"  {test['kind']}: version {test['challenger']} against {test['incumbent']}")
    for version in task["waiting_for_approval"]:
        click.echo(f"  waits for approval: version {version} (tropism promote {task['name']} {version})")
