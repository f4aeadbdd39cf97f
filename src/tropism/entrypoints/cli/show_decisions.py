"""What `tropism decisions` does."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.clock import iso
from tropism.core.errors import Fault, UnknownDecision
from tropism.entrypoints.cli.decision_names import PARTS, shortest
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.registry import Decision, Registry

_MOST = 100_000
_MOMENTS = frozenset({"at", "changed", "from", "now", "opened_at", "since"})
_INDENT = " " * 11


def list_decisions(project: Path, task: str | None, limit: int, everything: bool) -> None:
    registry = open_project(project).registry
    if task is not None:
        registry.tasks.get(task)
    found = registry.decisions.list(task, limit if everything else _MOST)
    kept = [one for one in found if everything or one.kind != "wait"][:limit]
    if not kept:
        click.echo("no decisions yet: they come with outcomes, or with `tropism train`")
        return
    width = max(shutil.get_terminal_size().columns, 40)
    parts = Counter(one.id[part] for one in found for part in PARTS)
    for one in kept:
        name = shortest(one.id, lambda part: parts[part] == 1)
        click.echo(f"{name}  {moment(one.at)}  {_what(one)}")
        why = " ".join(_why(one).split())
        click.echo("\n".join(textwrap.wrap(why, width, initial_indent=_INDENT, subsequent_indent=_INDENT)) or _INDENT)


def show_decision(project: Path, decision: str, as_json: bool, recompute: bool) -> None:
    from tropism.loop.recompute import recompute as again

    platform = open_project(project)
    found = _find(platform.registry, decision)
    result = again(platform.services(), found) if recompute else None
    if as_json:
        reply = msgspec.to_builtins(found) | {"recomputed": msgspec.to_builtins(result)}
        click.echo(msgspec.json.format(msgspec.json.encode(reply)).decode())
    else:
        click.echo(f"{_what(found)} at {iso(found.at)} by {found.actor}")
        click.echo(f"id {found.id}")
        for name, value in found.evidence.items():
            click.echo(f"  {name}: {_text(value, name)}")
        if result is not None:
            _say_whether_it_agrees(result.agrees, result.reason)
    if result is not None and result.agrees is False:
        raise click.exceptions.Exit(1)


def _say_whether_it_agrees(agrees: bool | None, reason: str) -> None:
    if agrees is None:
        click.echo(f"not recomputed: {reason}")
    elif agrees:
        click.echo(click.style("recomputed from the lake: agrees", fg="green") + f" ({reason})")
    else:
        click.echo(click.style("recomputed from the lake: DIFFERS", fg="red", bold=True) + f" ({reason})")


def _find(registry: Registry, decision: str) -> Decision:
    if len(decision) == 36:
        return registry.decisions.get(decision)
    found = [one for one in registry.decisions.list(limit=_MOST) if decision in one.id] if decision else []
    if len(found) == 1:
        return found[0]
    several = f"use one of: {', '.join(one.id for one in found[:5])}"
    fix = several if found else "list them with `tropism decisions`"
    number = f"{len(found)} decisions have" if found else "no decision has"
    raise UnknownDecision(f"{number} an id with '{decision}'", Fault("id", repr(decision), fix))


def _what(decision: Decision) -> str:
    """Such as `promote payments version 2`."""
    words = [decision.kind, decision.model]
    if decision.version is not None:
        words.append(f"to version {decision.version}" if decision.kind == "rollback" else f"version {decision.version}")
    return " ".join(words)


def _why(decision: Decision) -> str:
    evidence = decision.evidence
    if decision.kind == "train":
        failure = str(evidence.get("failure") or "").partition("\n")[0]
        return f"failed: {failure}" if failure else "; ".join(evidence.get("reasons", []))
    if "estimate" in evidence:
        n = f"{evidence['n']} predictions: " if "n" in evidence else ""
        low, high = shown(evidence["lower"]), shown(evidence["upper"])
        return f"{n}{_loss(evidence)} lower by {shown(evidence['estimate'])} ({low} to {high})"
    return str(evidence.get("reason", ""))


def _loss(evidence: dict[str, Any]) -> str:
    metric = str(evidence.get("metric", "loss"))
    return "error rate" if metric == "accuracy" else metric


def _text(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        return ", ".join(f"{inner} {_text(one, inner)}" for inner, one in value.items())
    if isinstance(value, list):
        return "; ".join(_text(one) for one in value)
    if name in _MOMENTS and isinstance(value, int) and not isinstance(value, bool):
        return iso(value)
    return shown(value)
