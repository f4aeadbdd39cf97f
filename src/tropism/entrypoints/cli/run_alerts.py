"""What the commands of `tropism alerts` do."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from tropism.core.errors import Fault, NotFound
from tropism.core.faults import one_of
from tropism.core.monitoring import effective_rules
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.show_alerts import covered, find_alert, find_silence, short_id, until_of
from tropism.entrypoints.cli.tables import moment
from tropism.entrypoints.cli.writing import write_text
from tropism.monitoring.delivery.channels import open_channels
from tropism.monitoring.delivery.signature import format_secret
from tropism.monitoring.prometheus import alertmanager, export

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.monitoring.delivery.base import Channel
    from tropism.registry import Registry
    from tropism.wiring import Platform


def acknowledge_alert(project: Path, named: str, comment: str, actor: str) -> None:
    platform = open_project(project)
    found = find_alert(platform, named)
    done = platform.alerts.acknowledge(found.id, actor, comment, platform.clock.now())
    click.echo(f"{done.acknowledged_by} looks after {done.rule} of {done.task}, alert {short_id(done.id)}")


def silence_alerts(project: Path, span: str, task: str | None, rule: str | None, reason: str, actor: str) -> None:
    platform = open_project(project)
    now = platform.clock.now()
    if task is not None:
        platform.sources.task(task)
    if rule is not None:
        _check_rule(platform.registry, task, rule)
    until = until_of(span, now)
    made = platform.alerts.silence(until=until, reason=reason, actor=actor, now=now, task=task, rule=rule)
    click.echo(f"nobody is told of {covered(made)} until {moment(made.until)} UTC")
    click.echo(f"end it before: tropism alerts unsilence {short_id(made.id)}")


def _check_rule(registry: Registry, task: str | None, rule: str) -> None:
    """A silence of a rule that there is not would silence nothing, and nobody would notice.

    Raises:
        NotFound: no such task has such a rule.
    """
    tasks = registry.tasks.all() if task is None else [registry.tasks.get(task)]
    names = {one.name for found in tasks for one in effective_rules(found.monitoring)}
    if rule not in names:
        owner = "any task" if task is None else f"'{task}'"
        fix = one_of(rule, names, "rules", "declare a task in project.py: it brings the default rules")
        raise NotFound(f"there is no rule '{rule}' of {owner}", Fault("--rule", repr(rule[:60]), fix))


def end_silence(project: Path, named: str, actor: str) -> None:
    platform = open_project(project)
    ended = platform.alerts.unsilence(find_silence(platform, named), actor, platform.clock.now())
    click.echo(f"{covered(ended)} is told again; what is open is told of at the next look")


def test_channel(project: Path, channel: str) -> None:
    with closing(open_project(project).delivery) as sender:
        answer = sender.test(channel)
    if not answer.delivered:
        click.echo(f"'{channel}' did not accept the test message: {answer.reason or answer.kind}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"'{channel}' accepted the test message")


def channel_of(platform: Platform, name: str) -> Channel:
    """The channel of the settings that has this name.

    Raises:
        NotFound: there is none.
        SettingInvalid: a channel is not valid.
        MissingExtra: one needs Apprise, which is not installed.
    """
    found = open_channels(platform.settings.alerts, platform.alerts_key, platform.real)
    if name not in found:
        fix = one_of(name, found, "channels", "add one to the section [alerts.channels]")
        raise NotFound(f"there is no channel '{name}'", Fault("channel", name, fix))
    return found[name]


def show_secret(project: Path) -> None:
    click.echo(format_secret(open_project(project).alerts_key))


def export_rules(project: Path, form: str, task: str | None, output: Path | None) -> None:
    platform = open_project(project)
    tasks = platform.registry.tasks.all() if task is None else [platform.sources.task(task)]
    if form == "prometheus":
        written = export(tasks)
    else:
        named = {channel for one in tasks for rule in effective_rules(one.monitoring) for channel in rule.channels}
        written = alertmanager(sorted(named | set(platform.settings.alerts.channels)))
    if output is None:
        click.echo(written, nl=False)
    else:
        write_text(output, written)
        click.echo(str(output))
