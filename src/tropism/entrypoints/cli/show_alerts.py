"""What `tropism alerts` shows."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec
from sqlalchemy import select

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, NotFound
from tropism.entrypoints.cli.drawing import one_line
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table, shown
from tropism.monitoring.alerts.notices import notice_body
from tropism.monitoring.delivery.messages import text
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.monitoring.alerts import Alert, Silence
    from tropism.wiring import Platform

_MOST = 100_000
_INDENT = " " * 11
_COLOURS = {"high": "red", "medium": "yellow", "low": None}


def list_alerts(project: Path, task: str | None, state: str | None, limit: int, as_json: bool) -> None:
    platform = open_project(project)
    if task is not None:
        platform.sources.task(task)
    found = platform.alerts.list(task, cast("Any", state), limit)
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in found])
        return
    if not found:
        click.echo(f"no alerts are {state}" if state else "no alerts yet: `tropism monitor` shows what is watched")
        return
    now = platform.clock.now()
    quiet = platform.alerts.silences(now)
    for one in found:
        click.echo("\n".join(alert_lines(one, shutil.get_terminal_size().columns, now, quiet)))


def alert_lines(alert: Alert, width: int, now: int = 0, silences: Sequence[Silence] = ()) -> list[str]:
    """What it is and since when, then what it says, then what somebody said of it."""
    severity = click.style(f"{alert.severity:<6}", fg=_COLOURS.get(alert.severity), bold=alert.severity == "high")
    name = f"{alert.task}: {alert.rule}" + (f" of {alert.subject}" if _tells(alert) else "")
    lines = [f"{short_id(alert.id)}  {severity}  {one_line(name)}, {_state(alert, now, silences)}"]
    for said in (alert.message, f'{alert.acknowledged_by}: "{alert.comment}"' if alert.comment else ""):
        lines += textwrap.wrap(one_line(said), max(width, 40), initial_indent=_INDENT, subsequent_indent=_INDENT)
    return lines


def short_id(identifier: str) -> str:
    """The part of an id that people write: enough to find it by."""
    return identifier[14:23]


def _tells(alert: Alert) -> bool:
    return bool(alert.subject) and alert.subject != alert.rule


def _state(alert: Alert, now: int, silences: Sequence[Silence]) -> str:
    if alert.resolved_at is not None:
        return f"{moment(alert.fired_at)} to {moment(alert.resolved_at)} UTC"
    words = [f"open since {moment(alert.fired_at)} UTC"]
    if alert.acknowledged_by is not None:
        words.append(f"acknowledged by {one_line(alert.acknowledged_by, 40)}")
    if any(one.covers(alert.task, alert.rule, alert.subject, now) for one in silences):
        words.append("silenced")
    return ", ".join(words)


def show_alert(project: Path, named: str, as_json: bool) -> None:
    platform = open_project(project)
    alert = find_alert(platform, named)
    told = _told(platform, alert)
    if as_json:
        _print_json(msgspec.to_builtins(alert) | {"notices": told})
        return
    now = platform.clock.now()
    click.echo(click.style(f"{alert.task}: {alert.rule}", bold=True) + f" ({alert.severity})")
    click.echo(f"id {alert.id}")
    click.echo(_state(alert, now, platform.alerts.silences(now)))
    click.echo()
    event: Any = "fired" if alert.resolved_at is None else "resolved"
    for line in text(notice_body(alert, event)).splitlines():
        click.echo(one_line(line))
    _print_evidence(alert)
    _print_told(told)


def _print_evidence(alert: Alert) -> None:
    click.echo()
    if "when" in alert.evidence:
        click.echo(f"condition: {alert.evidence['when']}")
    for name, value in (alert.evidence.get("figures") or {}).items():
        click.echo(f"  {name}: {shown(value)}")
    resolved = alert.evidence.get("resolved")
    if resolved:
        click.echo(f"ended: {one_line(str(resolved.get('reason', '')))}")
        for name, value in (resolved.get("figures") or {}).items():
            click.echo(f"  {name}: {shown(value)}")
    if alert.acknowledged_at is not None:
        comment = f': "{one_line(alert.comment)}"' if alert.comment else ""
        by = one_line(str(alert.acknowledged_by), 40)
        click.echo(f"acknowledged by {by} at {moment(alert.acknowledged_at)} UTC{comment}")
    silenced = alert.evidence.get("silenced")
    if silenced and "told_at" not in alert.evidence:
        reason, actor = one_line(str(silenced["reason"])), one_line(str(silenced["actor"]), 40)
        click.echo(f"nobody was told: silenced until {moment(silenced['until'])} UTC by {actor}: {reason}")


def _print_told(told: Sequence[dict[str, Any]]) -> None:
    if not told:
        click.echo("no channel was told")
        return
    click.echo()
    print_table(
        ("channel", "of", "attempts", "state"),
        [(one["channel"], one["event"], one["attempts"], _arrival(one)) for one in told],
    )


def _arrival(notice: dict[str, Any]) -> str:
    if notice["delivered_at"] is not None:
        return f"delivered {moment(notice['delivered_at'])} UTC"
    reason = f": {one_line(notice['error'], 120)}" if notice["error"] else ""
    if notice["given_up_at"] is not None:
        return f"given up {moment(notice['given_up_at'])} UTC{reason}"
    return f"waits to be sent{reason}" if notice["attempts"] == 0 else f"is tried again{reason}"


def _told(platform: Platform, alert: Alert) -> list[dict[str, Any]]:
    """What became of the alert's notices, in the order they were made."""
    names = ("channel", "event", "attempts", "created_at", "delivered_at", "given_up_at", "error")
    query = select(*(notices_out.c[name] for name in names)).where(notices_out.c.alert_id == alert.id)
    with platform.database.read() as connection:
        rows = connection.execute(query.order_by(notices_out.c.created_at, notices_out.c.channel))
        return [dict(row._mapping) for row in rows]


def find_alert(platform: Platform, named: str) -> Alert:
    """The alert whose id is `named` or has it as a part.

    Raises:
        NotFound: there is none, or several.
    """
    if len(named) == 36:
        return platform.alerts.get(named)
    found = [one for one in platform.alerts.list(limit=_MOST) if named and named in one.id]
    if len(found) != 1:
        raise _not_one("alert", len(found), named, "list them with `tropism alerts --state all`")
    return found[0]


def find_silence(platform: Platform, named: str) -> str:
    """The id of the silence that holds whose id is `named` or has it as a part.

    Raises:
        NotFound: there is none, or several.
    """
    found = [one.id for one in platform.alerts.silences(platform.clock.now()) if named and named in one.id]
    if len(found) != 1:
        raise _not_one("silence", len(found), named, "list those that hold with `tropism alerts silences`")
    return found[0]


def _not_one(kind: str, found: int, named: str, otherwise: str) -> NotFound:
    number = f"{found} {kind}s have" if found else f"no {kind} has"
    fault = Fault("id", repr(named[:60]), "write more of the id" if found else otherwise)
    return NotFound(f"{number} an id with '{named[:60]}'", fault)


def list_silences(project: Path, as_json: bool) -> None:
    platform = open_project(project)
    found = platform.alerts.silences(platform.clock.now())
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in found])
        return
    if not found:
        click.echo("nothing is silenced")
        return
    for one in found:
        click.echo(f"{short_id(one.id)}  {covered(one)} until {moment(one.until)} UTC, by {one_line(one.actor, 40)}")
        click.echo(f"{_INDENT}{one_line(one.reason)}")


def covered(silence: Silence) -> str:
    """What a silence is of, such as `drift of payments`."""
    words = f"{silence.rule or 'every rule'} of {silence.task or 'every task'}"
    return words if silence.subject is None else f"{words}, {silence.subject}"


def until_of(span: str, now: int) -> int:
    """When a silence of such a length ends (µs)."""
    return now + parse_duration(span, "--for")


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
