"""What `tropism models`, `promote`, `rollback` and `release` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.decision_names import short_name
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.moving import promote_by_hand
from tropism.registry.tombstones import deleted
from tropism.registry.tracking.training_runs import training_runs

if TYPE_CHECKING:
    from pathlib import Path


def list_models(project: Path) -> None:
    registry = open_project(project).registry
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


def _standing(aliases: list[str], state: str) -> str:
    """What a version is: the names that point at it, or else its state; a quarantine is never left out."""
    return ", ".join([*aliases, state] if state == "quarantined" else aliases or [state])


def list_versions(project: Path, model: str) -> None:
    registry = open_project(project).registry
    task = registry.tasks.get(model)
    aliases: dict[int, list[str]] = {}
    for alias, version in registry.aliases.all(model).items():
        aliases.setdefault(version, []).append(alias)
    runs, gone = training_runs(registry.db, registry.versions.list(model)), deleted(registry.db, model)
    rows = [
        (
            one.version,
            "deleted" if (model, one.version) in gone else _standing(aliases.get(one.version, []), one.state),
            one.learner,
            one.window,
            one.data.get("rows"),
            one.metrics.get("loss"),
            min(one.metrics.get("baselines", {}).values(), default=None),
            moment(one.created_at),
            runs.get(one.version, "")[:8] or None,
        )
        for one in registry.versions.list(model)
    ]
    if not rows:
        click.echo(f"'{model}' has no version yet; train one: tropism train {model}")
        return
    metric = "error rate" if task.metric_name == "accuracy" else task.metric_name
    print_table(("version", "is", "learner", "window", "rows", metric, "baseline", "made (UTC)", "run"), rows)
    click.echo(f"{metric}: mean loss on later rows than it learnt from, beside the best baseline; lower is better")


def promote_version(project: Path, model: str, version: int, actor: str, force: bool) -> None:
    platform = open_project(project)
    moved = promote_by_hand(platform, model, version, actor, force=force)
    decision = short_name(platform.registry, moved.decision_id)
    before = "there was none before" if moved.previous is None else f"version {moved.previous} was before"
    click.echo(f"version {moved.version} is the champion of {model}; {before} (decision {decision})")


def roll_back(project: Path, model: str, actor: str) -> None:
    platform = open_project(project)
    platform.registry.tasks.get(model)
    now = platform.clock.now()
    decision = Identifiers().new(now, task_tag(model))
    evidence = {"comparison": "none", "reason": f"rolled back by {actor}"}
    moved = platform.registry.promotion.rollback(model, actor=actor, decision_id=decision, now=now, evidence=evidence)
    click.echo(
        f"version {moved.version} is the champion of {model} again, instead of version {moved.previous} "
        f"(decision {short_name(platform.registry, decision)})"
    )


def release_version(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    platform = open_project(project)
    now = platform.clock.now()
    state = platform.registry.quarantine.release(model, version, reason=reason, now=now, actor=actor)
    click.echo(f"version {version} of {model} is out of quarantine, and {state} as before")
