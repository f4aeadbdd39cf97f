"""What `tropism features` does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from tropism.entrypoints.cli.opening import open_project, settings_of
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.feature_definitions import (
    described,
    features_of,
    find_definition,
    lineage_node,
    plain_definition,
)
from tropism.project import load_features
from tropism.registry.feature_plan import masked, source_id
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.registry import Change, Link, Plan, Registered
    from tropism.registry.feature_plan import Kind

_SIGNS = {"create": "+", "version": "~", "describe": "~", "same": "=", "gone": "-"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}
_MOST = 200


def apply_features(project: Path, actor: str, *, ask: bool, dry_run: bool) -> None:
    settings = settings_of(project)
    declared = load_features(project / "project.py")
    platform = open_platform(settings)
    registry = platform.registry.features
    plan = registry.plan(declared)
    if not plan.changes:
        click.echo("no features: bind a FeatureView to a name in project.py (`tropism features --help` shows one)")
        return
    for change in plan.changes:
        _show_change(change)
    click.echo(_summary(plan))
    if dry_run or plan.empty:
        return
    if ask and sys.stdin.isatty() and not click.confirm("Apply this?"):
        click.echo("nothing was applied")
        raise click.exceptions.Exit(1)
    registry.apply(declared, platform.clock.now(), actor=actor, expected=plan)
    click.echo("applied")


def _show_change(change: Change) -> None:
    sign, place = _SIGNS[change.action], f"{change.kind} {change.name}, version {change.version}"
    note = {
        "version": f" (version {change.version - 1} goes on serving until it is dropped)",
        "describe": " (the same version: no value changes)",
        "gone": f" (gone from project.py; kept until: {_drop(change)})",
    }
    after = note.get(change.action, "") if change.kind == "view" or change.action != "version" else ""
    click.echo(click.style(f"{sign} {place}", fg=_COLOURS.get(sign)) + after)
    if change.action == "create":
        for fact in _facts(change.kind, change.spec):
            click.echo(f"    {fact}")
        for feature in features_of(change.kind, change.spec):
            click.echo(f"    {feature['name']}: {feature['type']}, {feature['from']}")
        return
    for one in change.differences:
        if one.a or one.b:
            click.echo(f"    {one.field}: {_text(one.a)} -> {_text(one.b)}")


def _drop(change: Change) -> str:
    kind = "" if change.kind == "view" else f" --kind {change.kind}"
    return f"tropism features drop {change.name} {change.version}{kind}"


def _summary(plan: Plan) -> str:
    words = {
        "create": "to create",
        "version": "to get a new version",
        "describe": "described anew",
        "same": "the same",
        "gone": "gone from project.py",
    }
    counts = {action: sum(change.action == action for change in plan.changes) for action in words}
    return ", ".join(f"{count} {words[action]}" for action, count in counts.items() if count)


def _text(value: Any) -> str:
    """A value of a definition on one line, without passwords and control characters."""
    if value is None or value == "":
        return "-"
    plain = masked(value)
    if isinstance(plain, list) and all(isinstance(part, str) for part in plain):
        plain = ", ".join(plain)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def list_features(project: Path, as_json: bool) -> None:
    found = open_project(project).registry.features.list()
    if as_json:
        _print_json([plain_definition(one) for one in found])
        return
    if not found:
        click.echo("no features yet: declare them in project.py, then run `tropism features apply`")
        return
    head = ("kind", "name", "version", "state", "about", "made (UTC)", "by")
    rows = [
        (one.kind, one.name, one.version, one.state, _about(one), moment(one.created_at), one.actor) for one in found
    ]
    print_table(head, rows)


def _about(one: Registered) -> str:
    """What a definition is, in a few words."""
    if one.kind == "view":
        number, source = len(one.spec["fields"]), _text(source_id(one.spec["source"]))
        return f"{number} feature{'s' if number != 1 else ''} of {one.spec['entity']['name']}, {source}"
    if one.kind == "entity":
        return f"key {', '.join(one.spec['key'])}"
    return f"{len(one.spec['schema'])} columns" if one.kind == "stream" else str(one.spec["type"])


def show_feature(project: Path, name: str, version: int | None, kinds: Sequence[str], as_json: bool) -> None:
    registry = open_project(project).registry.features
    one = find_definition(registry, name, version, kinds)
    if as_json:
        _print_json(described(registry, one))
        return
    up, down = (registry.lineage(*lineage_node(one), direction) for direction in ("up", "down"))
    click.echo(click.style(f"{one.kind} {one.name}, version {one.version}", bold=True) + f" ({one.state})")
    click.echo(f"  applied {moment(one.created_at)} UTC by {one.actor}; fingerprint {one.fingerprint}")
    for fact in _facts(one.kind, one.spec):
        click.echo(f"  {fact}")
    if one.kind == "view":
        print_table(("feature", "type", "from"), [tuple(row.values()) for row in features_of(one.kind, one.spec)])
    others = [other for other in registry.list() if (other.kind, other.name) == (one.kind, one.name) and other != one]
    if others:
        click.echo("other versions: " + ", ".join(f"{other.version} ({other.state})" for other in others))
    for title, links in (("made from", up), ("used for", down)):
        for link in links:
            click.echo(f"{title}: {_link(link)}")


def _facts(kind: str, spec: dict[str, Any]) -> list[str]:
    """What a definition says of itself, but for its features."""
    untold = ("name", "fields") if kind == "view" else ("name", "source")
    kept = {field: value for field, value in spec.items() if field not in untold and value not in ("", None, {}, [])}
    return [f"{'code' if field == 'version' else field}: {_fact(field, value)}" for field, value in kept.items()]


def _fact(field: str, value: Any) -> str:
    if field == "entity":
        return f"{value['name']} (key {', '.join(value['key'])})"
    if field == "source":
        facts = ", ".join(f"{name} {value[name]}" for name in ("timestamp", "created") if value.get(name))
        return f"{_text(source_id(value))} ({facts})"
    if field in ("schema", "tags"):
        return _text(", ".join(f"{name} {part}" for name, part in value.items()))
    return _text(value)


def _link(link: Link) -> str:
    return f"{link.from_kind} {link.from_id} -> {link.to_kind} {link.to_id}"


def drop_feature(project: Path, name: str, version: int, kind: str, actor: str) -> None:
    platform = open_project(project)
    platform.registry.features.drop(name, version, platform.clock.now(), kind=cast("Kind", kind), actor=actor)
    click.echo(f"{kind} {name}, version {version}, is dropped")


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
