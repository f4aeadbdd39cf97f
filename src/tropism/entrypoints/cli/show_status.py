"""What `tropism status` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, shown
from tropism.entrypoints.standing import standing
from tropism.entrypoints.starting import address_of
from tropism.entrypoints.supervisor import running

if TYPE_CHECKING:
    from pathlib import Path

_OF_PREDICTIONS = ("answered", "waiting", "unanswered", "matured")
_OF_OUTCOMES = ("late", "corrected", "duplicate", "early", "unknown")


def show_status(project: Path, as_json: bool) -> None:
    platform = open_project(project)
    settings = platform.settings
    up = running(settings.folder)
    address = address_of(settings)
    tasks = [standing(platform, task.name) for task in platform.registry.tasks.all()]
    if as_json:
        reply = {"up": up is not None, "pid": up.pid if up else None, "address": address if up else None}
        click.echo(msgspec.json.format(msgspec.json.encode({**reply, "tasks": tasks})).decode())
        return
    click.echo(f"up on {address} (process {up.pid})" if up else "not up: run `tropism up`")
    if not tasks:
        click.echo("no tasks are stored yet: `tropism up` stores those that project.py declares")
    for task in tasks:
        _show(task)


def _show(task: dict[str, Any]) -> None:
    click.echo()
    click.echo(click.style(task["name"], bold=True) + f" ({task['kind']})")
    champion = task["champion"]
    if champion is None:
        click.echo("  no champion yet; a baseline answers")
    else:
        previous = "" if task["previous"] is None else f"; before it version {task['previous']}"
        since = task["champion_since"][:16].replace("T", " ")
        click.echo(f"  champion: version {champion} of {task['versions']}, since {since} UTC{previous}")
    if task["performance"]:
        click.echo(f"  {_performance(task['performance'])}")
    _show_counts(task["outcomes"], task["watermark"])
    for test in task["tests"]:
        other, champion = test["challenger"], test["incumbent"]
        if test["kind"] == "probation":
            click.echo(f"  on probation: version {champion}, compared with version {other} that was before it")
        else:
            opened = moment(test["opened_at"])
            click.echo(f"  challenger: version {other} against version {champion}, since {opened} UTC")
    for version in task["waiting_for_approval"]:
        click.echo(f"  waits for approval: version {version} (tropism approve {task['name']} {version})")
    for one in task["waiting_for_levels"]:
        click.echo(f"  won, and waits: version {one['version']}: {one['why']}")


def _performance(found: dict[str, Any]) -> str:
    from tropism.evaluation.metrics import display, higher_is_better

    metric = found["metric"]
    rule, loss = min(found["baselines"].items(), key=lambda one: one[1])
    ends = sorted(display(metric, found[end]) for end in ("low", "high"))
    interval = f" ({shown(ends[0])} to {shown(ends[1])})" if found["predictions"] > 1 else ""
    better = "higher" if higher_is_better(metric) else "lower"
    number = found["predictions"]
    return (
        f"{metric}: {shown(display(metric, found['loss']))}{interval} over {number} matured "
        f"prediction{'s' if number != 1 else ''}; best baseline {rule} {shown(display(metric, loss))}; "
        f"{better} is better"
    )


def _show_counts(counts: dict[str, int], watermark: str) -> None:
    """What came back, without the zeros."""
    if not counts["predictions"] and not counts["outcomes"]:
        click.echo("  no predictions yet")
        return
    for whole, parts in (("predictions", _OF_PREDICTIONS), ("outcomes", _OF_OUTCOMES)):
        named = ", ".join(f"{counts[part]} {part}" for part in parts if counts[part])
        click.echo(f"  {whole}: {counts[whole]}" + (f" ({named})" if named else ""))
    until = watermark[:16].replace("T", " ")
    click.echo(f"  matured: predictions made until {until} UTC, whose outcome window has closed")
