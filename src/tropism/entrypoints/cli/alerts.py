"""`tropism alerts`: what fired, who looks after it, and who is told."""

from __future__ import annotations

from pathlib import Path

import click

_ACTOR = click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")


@click.group(invoke_without_command=True)
@click.option("--task", metavar="TASK", help="Only this task's.")
@click.option(
    "--state",
    type=click.Choice(["open", "acknowledged", "resolved", "all"]),
    default="open",
    show_default=True,
    help="Open ones include those that somebody acknowledged.",
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def alerts(context: click.Context, task: str | None, state: str, limit: int, as_json: bool) -> None:
    """List alerts, newest first. Rules are in project.py, channels in the section [alerts] of the settings.

    \b
    tropism alerts
    tropism alerts --task payments --state all
    """
    if context.invoked_subcommand is not None:
        return
    from tropism.entrypoints.cli.show_alerts import list_alerts

    list_alerts(context.obj, task, None if state == "all" else state, limit, as_json)


@alerts.command()
@click.argument("alert", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(project: Path, alert: str, as_json: bool) -> None:
    """Show an alert: its condition and figures, its likely causes, what to do, and who was told.

    ID may be a part of an id.

    \b
    tropism alerts show 75be-99b7
    """
    from tropism.entrypoints.cli.show_alerts import show_alert

    show_alert(project, alert, as_json)


@alerts.command()
@click.argument("alert", metavar="ID")
@click.option("--comment", default="", metavar="TEXT", help="What others should know.")
@_ACTOR
@click.pass_obj
def acknowledge(project: Path, alert: str, comment: str, actor: str) -> None:
    """Say that you look after an alert. It stays open until its condition is false.

    \b
    tropism alerts acknowledge 75be-99b7 --comment "the new shop in Lyon"
    """
    from tropism.entrypoints.cli.run_alerts import acknowledge_alert

    acknowledge_alert(project, alert, comment, actor or "cli")


@alerts.command()
@click.option("--for", "span", required=True, metavar="TIME", help="How long, such as 2h or 3d.")
@click.option("--task", metavar="TASK", help="Only this task's; otherwise every task's.")
@click.option("--rule", metavar="RULE", help="Only this rule's; otherwise every rule's.")
@click.option("--reason", default="no reason given", metavar="TEXT", help="Why; others see it.")
@_ACTOR
@click.pass_obj
def silence(project: Path, span: str, task: str | None, rule: str | None, reason: str, actor: str) -> None:
    """Tell nobody of alerts for a while.

    They fire and are listed all the same. Those that are still open at the end are told of then.

    \b
    tropism alerts silence --for 2h --task payments --rule drift --reason "price change"
    """
    from tropism.entrypoints.cli.run_alerts import silence_alerts

    silence_alerts(project, span, task, rule, reason, actor or "cli")


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def silences(project: Path, as_json: bool) -> None:
    """List the silences that hold, the one that ends first first.

    \b
    tropism alerts silences
    """
    from tropism.entrypoints.cli.show_alerts import list_silences

    list_silences(project, as_json)


@alerts.command()
@click.argument("silence", metavar="ID")
@_ACTOR
@click.pass_obj
def unsilence(project: Path, silence: str, actor: str) -> None:
    """End a silence before its time. ID may be a part of an id.

    \b
    tropism alerts unsilence 75be-99b7
    """
    from tropism.entrypoints.cli.run_alerts import end_silence

    end_silence(project, silence, actor or "cli")


@alerts.command("test")
@click.argument("channel")
@click.pass_obj
def try_channel(project: Path, channel: str) -> None:
    """Send a test message to CHANNEL and say what happened. The exit status is 1 if it was not accepted.

    \b
    tropism alerts test ops
    """
    from tropism.entrypoints.cli.run_alerts import test_channel

    test_channel(project, channel)


@alerts.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus", "alertmanager"]),
    default="prometheus",
    show_default=True,
    help="Rules, or the routes that take them to Tropism's channels.",
)
@click.option("--task", metavar="TASK", help="Only this task's rules.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it to a file.")
@click.pass_obj
def export(project: Path, form: str, task: str | None, output: Path | None) -> None:
    """Write the rules of all tasks as YAML for Prometheus or Alertmanager.

    \b
    tropism alerts export --output tropism-rules.yml
    """
    from tropism.entrypoints.cli.run_alerts import export_rules

    export_rules(project, form, task, output)


@alerts.command()
@click.pass_obj
def secret(project: Path) -> None:
    """Show the secret that webhooks are signed with, for their receivers. Keep it as you keep passwords.

    \b
    tropism alerts secret
    """
    from tropism.entrypoints.cli.run_alerts import show_secret

    show_secret(project)
