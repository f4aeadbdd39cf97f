"""What `tropism models`, `promote` and `rollback` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.config import load_settings
from tropism.core.clock import iso
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.tables import print_table, shown
from tropism.entrypoints.moving import promote_by_hand
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path


def list_models(project: Path) -> None:
    registry = open_platform(load_settings(project)).registry
    live = {one.model: one for one in registry.aliases.snapshot()}
    rows = []
    for task in registry.tasks.all():
        one = live.get(task.name)
        count = len(registry.versions.list(task.name))
        rows.append((task.name, task.kind, one.champion if one else None, one.previous if one else None, count))
    if not rows:
        click.echo("no models yet: declare a task in project.py, then run `tropism up`")
        return
    print_table(("model", "kind", "champion", "previous", "versions"), rows)


def list_versions(project: Path, model: str) -> None:
    registry = open_platform(load_settings(project)).registry
    task = registry.tasks.get(model)
    aliases: dict[int, list[str]] = {}
    for alias, version in registry.aliases.all(model).items():
        aliases.setdefault(version, []).append(alias)
    rows = [
        (
            one.version,
            ", ".join(aliases.get(one.version, [])) or one.state,
            one.learner,
            one.window,
            one.data.get("rows"),
            one.metrics.get("loss"),
            min(one.metrics.get("baselines", {}).values(), default=None),
            iso(one.created_at),
        )
        for one in registry.versions.list(model)
    ]
    if not rows:
        click.echo(f"'{model}' has no version yet; train one: tropism train {model}")
        return
    metric = task.metric_name
    print_table(("version", "is", "learner", "window", "rows", metric, "best baseline", "made"), rows)
    click.echo(f"{metric}: mean loss on the validation slice, lower is better")


def compare_versions(project: Path, model: str, a: int, b: int) -> None:
    found = open_platform(load_settings(project)).registry.versions.compare(model, a, b)
    parts = ("metrics", "data", "parameters", "signature", "environment")
    rows = [(part, one.field, shown(one.a), shown(one.b)) for part in parts for one in getattr(found, part)]
    print_table(("", "what differs", f"version {a}", f"version {b}"), rows)


def promote_version(project: Path, model: str, version: int, actor: str, force: bool) -> None:
    platform = open_platform(load_settings(project))
    moved = promote_by_hand(platform, model, version, actor, force=force)
    before = "there was none before" if moved.previous is None else f"version {moved.previous} was before"
    click.echo(f"version {moved.version} is the champion of {model}; {before} (decision {moved.decision_id})")


def roll_back(project: Path, model: str, actor: str) -> None:
    platform = open_platform(load_settings(project))
    now = platform.clock.now()
    decision = Identifiers().new(now, task_tag(model))
    evidence = {"comparison": "none", "reason": f"rolled back by {actor}"}
    moved = platform.registry.promotion.rollback(model, actor=actor, decision_id=decision, now=now, evidence=evidence)
    click.echo(f"version {moved.version} is the champion of {model} again, instead of {moved.previous}")
