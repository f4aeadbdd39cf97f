"""What `tropism flags` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.clock import iso
from tropism.entrypoints.cli.drawing import one_line
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.run_flags import pair
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.experiments.flags import Flagset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tropism.core.flag import Flag, FlagRule
    from tropism.registry.flags import FlagChange


def list_flags(project: Path, as_json: bool) -> None:
    found = open_project(project).registry.flags.all()
    if as_json:
        _print_json(msgspec.to_builtins(found))
        return
    if not found:
        click.echo("no flags yet: tropism flags set NAME --rule '-> on'")
        return
    rows = [
        (one.flag.key, _state(one.flag), one.flag.type, ", ".join(one.flag.variants), len(one.flag.rules))
        for one in found
    ]
    print_table(("flag", "state", "type", "variants", "rules"), rows)


def _state(flag: Flag) -> str:
    state = "killed" if flag.killed else "on" if flag.enabled else "off"
    differing = {
        name: one.enabled for name, one in flag.environments.items() if one.enabled not in (None, flag.enabled)
    }
    if flag.killed or not differing:
        return state
    return f"{state}; {'off' if flag.enabled else 'on'} in {', '.join(differing)}"


def show_flag(project: Path, key: str, as_json: bool) -> None:
    stored = open_project(project).registry.flags.get(key)
    if as_json:
        _print_json(msgspec.to_builtins(stored))
        return
    flag = stored.flag
    click.echo(f"{click.style(flag.key, bold=True)} ({flag.type}), {_state(flag)}, revision {stored.revision}")
    if flag.description:
        click.echo(one_line(flag.description, 2_000))
    for name, value in flag.variants.items():
        default = "  (default)" if name == flag.default else ""
        click.echo(f"  {name} = {one_line(msgspec.json.encode(value).decode())}{default}")
    if flag.start is not None or flag.until is not None:
        click.echo(f"holds {_span(flag)}")
    for need in flag.prerequisites:
        click.echo(f"needs {need.flag} to be {need.variant}")
    _print_rules("rules", flag.rules)
    for name, own in flag.environments.items():
        state = "" if own.enabled is None else f", {'on' if own.enabled else 'off'}"
        _print_rules(f"in {name}{state}", flag.rules if own.rules is None else own.rules)


def _print_rules(title: str, rules: Sequence[FlagRule]) -> None:
    click.echo(f"{title}:" if rules else f"{title}: none, so everybody gets the default")
    for number, rule in enumerate(rules, 1):
        label = f" ({one_line(rule.name, 60)})" if rule.name else ""
        span = f", {_span(rule)}" if rule.start is not None or rule.until is not None else ""
        click.echo(f"  {number}{label}  {one_line(rule.when) or 'everybody'} -> {_served(rule)}{span}")


def _served(rule: FlagRule) -> str:
    if rule.serve:
        return rule.serve
    return ", ".join(f"{name} {share:.4g}" for name, share in rule.rollout.items()) + f" by {rule.by}"


def _span(part: Flag | FlagRule) -> str:
    words = [f"from {iso(part.start)}"] if part.start is not None else []
    return " ".join([*words, *([f"until {iso(part.until)}"] if part.until is not None else [])])


def evaluate_flag(
    project: Path, key: str, unit: str | None, attributes: Iterable[str], environment: str, as_json: bool
) -> None:
    platform = open_project(project)
    store = platform.registry.flags
    store.get(key)
    context = dict(pair(one, "--with") for one in attributes) | ({"targetingKey": unit} if unit else {})
    why: list[str] = []
    flags = Flagset(one.flag for one in store.all())
    found = flags.evaluate(key, context, platform.clock.now(), environment, why)
    if as_json:
        _print_json({**found._asdict(), "why": why})
        return
    if found.error:
        click.echo(f"{found.error}: {one_line(found.details, 2_000)}")
    else:
        value = one_line(msgspec.json.encode(found.value).decode())
        click.echo(f"{click.style(found.variant, bold=True)} = {value}  ({found.reason})")
    for line in why:
        click.echo(f"  {one_line(line)}")
    if found.error:
        raise click.exceptions.Exit(1)


def show_history(project: Path, key: str, limit: int, as_json: bool) -> None:
    found = open_project(project).registry.flags.history(key, limit)
    if as_json:
        _print_json(msgspec.to_builtins(found))
        return
    rows = [
        (f"{moment(one.at)} UTC", one_line(one.actor, 40), one.action.removeprefix("flag."), _said(one))
        for one in found
    ]
    print_table(("at", "by", "what", ""), rows)


def _said(change: FlagChange) -> str:
    words = [", ".join(change.changed)] if change.changed else []
    for name in ("enabled", "killed", "environment", "comment"):
        if change.detail.get(name) is not None:
            words.append(f"{name}: {one_line(_plain(change.detail[name]), 200)}")
    return "; ".join(words)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
