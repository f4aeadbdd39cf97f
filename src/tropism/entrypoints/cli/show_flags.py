"""What `tropism flags` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.clock import DAY, iso
from tropism.entrypoints.cli.drawing import one_line
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.run_flags import pair
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.experiments.flags import Flagset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tropism.core.flag import Flag, FlagRule
    from tropism.registry.flag_exposures import Exposed
    from tropism.registry.flags import FlagChange, StoredFlag

_STALE_DAYS = 30
"""A flag that was evaluated by nobody for so long is likely not asked for any more."""


def list_flags(project: Path, as_json: bool) -> None:
    platform = open_project(project)
    store, now = platform.registry.flags, platform.clock.now()
    found, last = store.all(), store.exposures.last()
    if as_json:
        more = [(last.get(one.flag.key), _stale_days(one, last, now) >= _STALE_DAYS) for one in found]
        pairs = zip(found, more, strict=True)
        _print_json([msgspec.to_builtins(one) | {"evaluated_at": at, "stale": stale} for one, (at, stale) in pairs])
        return
    if not found:
        click.echo("no flags yet: tropism flags set NAME --rule '-> on'")
        return
    rows = [
        (
            one.flag.key,
            _state(one.flag),
            one.flag.type,
            ", ".join(one.flag.variants),
            len(one.flag.rules),
            _evaluated(one, last, now),
        )
        for one in found
    ]
    print_table(("flag", "state", "type", "variants", "rules", "evaluated (UTC)"), rows)


def _stale_days(stored: StoredFlag, last: Mapping[str, int], now: int) -> int:
    """For how many whole days nobody evaluated it, since it was made."""
    return max(now - max(stored.created_at, last.get(stored.flag.key, 0)), 0) // DAY


def _evaluated(stored: StoredFlag, last: Mapping[str, int], now: int) -> str:
    days, at = _stale_days(stored, last, now), last.get(stored.flag.key)
    when = "never" if at is None else moment(at)
    return f"{when}; stale: not for {days} days" if days >= _STALE_DAYS else when


def _state(flag: Flag) -> str:
    state = "killed" if flag.killed else "on" if flag.enabled else "off"
    differing = {
        name: one.enabled for name, one in flag.environments.items() if one.enabled not in (None, flag.enabled)
    }
    if flag.killed or not differing:
        return state
    return f"{state}; {'off' if flag.enabled else 'on'} in {', '.join(differing)}"


def show_flag(project: Path, key: str, as_json: bool) -> None:
    platform = open_project(project)
    stored = platform.registry.flags.get(key)
    exposed = platform.registry.flags.exposures.of(key, now=platform.clock.now())
    if as_json:
        _print_json(msgspec.to_builtins(stored) | {"exposures": msgspec.to_builtins(exposed)})
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
    _print_exposures(exposed)


def _print_exposures(exposed: Sequence[Exposed]) -> None:
    if not exposed:
        click.echo("evaluated: never, by the servers' counts")
        return
    click.echo("evaluated:")
    for one in exposed:
        name = one.variant or "with an error"
        click.echo(f"  {name}  {one.day} in the last day, {one.ever} ever, last {moment(one.last_at)} UTC")


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
