"""What `tropism models`, `promote`, `rollback` and `release` do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table, shown
from tropism.entrypoints.moving import promote_by_hand
from tropism.registry.tracking.training_runs import training_runs

if TYPE_CHECKING:
    from pathlib import Path

_PARTS = ("metrics", "data", "parameters", "signature", "environment")


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
    runs = training_runs(registry.db, registry.versions.list(model))
    rows = [
        (
            one.version,
            _standing(aliases.get(one.version, []), one.state),
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


def compare_versions(project: Path, model: str, a: int, b: int) -> None:
    found = open_project(project).registry.versions.compare(model, a, b)
    rows = [row for part in _PARTS for row in _differences(part, getattr(found, part))]
    if not rows:
        click.echo(f"versions {a} and {b} do not differ")
        return
    print_table(("", "what differs", f"version {a}", f"version {b}"), rows)


def _differences(part: str, found: Any) -> list[tuple[str, str, str, str]]:
    """Rows of a comparison; a metric and the ends of its interval are one row."""
    sides = {one.field: (one.a, one.b) for one in found}
    rows = []
    for field, (a, b) in sides.items():
        name, _, end = field.rpartition(".")
        if end in ("low", "high") and f"{name}.value" in sides:
            continue
        if end == "value" and f"{name}.low" in sides and f"{name}.high" in sides:
            low, high = sides[f"{name}.low"], sides[f"{name}.high"]
            shown_a, shown_b = (
                f"{shown(value)} ({shown(low[side])} to {shown(high[side])})" for side, value in enumerate((a, b))
            )
            rows.append((part, name.removeprefix("metrics."), shown_a, shown_b))
        else:
            rows.append((part, field, _text(a), _text(b)))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_text(one) for one in value)
    if isinstance(value, dict) and {"learner", "span", "loss"} <= value.keys():
        return f"{value['learner']} on {value['span']} {shown(value['loss'])}"
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}..."
    return shown(value)


def promote_version(project: Path, model: str, version: int, actor: str, force: bool) -> None:
    moved = promote_by_hand(open_project(project), model, version, actor, force=force)
    before = "there was none before" if moved.previous is None else f"version {moved.previous} was before"
    click.echo(f"version {moved.version} is the champion of {model}; {before} (decision {moved.decision_id[14:23]})")


def roll_back(project: Path, model: str, actor: str) -> None:
    platform = open_project(project)
    platform.registry.tasks.get(model)
    now = platform.clock.now()
    decision = Identifiers().new(now, task_tag(model))
    evidence = {"comparison": "none", "reason": f"rolled back by {actor}"}
    moved = platform.registry.promotion.rollback(model, actor=actor, decision_id=decision, now=now, evidence=evidence)
    click.echo(
        f"version {moved.version} is the champion of {model} again, instead of version {moved.previous} "
        f"(decision {moved.decision_id[14:23]})"
    )


def release_version(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    platform = open_project(project)
    now = platform.clock.now()
    state = platform.registry.quarantine.release(model, version, reason=reason, now=now, actor=actor)
    click.echo(f"version {version} of {model} is out of quarantine, and {state} as before")
