"""What `tropism decisions` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.config import load_settings
from tropism.core.clock import iso
from tropism.core.errors import Fault, UnknownDecision
from tropism.entrypoints.cli.tables import print_table, shown
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.registry import Decision, Registry

_MOST = 100_000


def list_decisions(project: Path, task: str | None, limit: int, everything: bool) -> None:
    registry = open_platform(load_settings(project)).registry
    found = registry.decisions.list(task, _MOST if not everything else limit)
    kept = [one for one in found if everything or one.kind != "wait"][:limit]
    if not kept:
        click.echo("no decisions yet")
        return
    rows = [(one.id[14:23], iso(one.at)[:16], one.model, one.kind, one.version, _why(one)) for one in kept]
    print_table(("id", "at", "model", "kind", "version", "why"), rows)


def show_decision(project: Path, decision: str, as_json: bool, recompute: bool) -> None:
    from tropism.loop.recompute import recompute as again

    platform = open_platform(load_settings(project))
    found = _find(platform.registry, decision)
    result = again(platform.services(), found) if recompute else None
    if as_json:
        reply = msgspec.to_builtins(found) | {"recomputed": msgspec.to_builtins(result)}
        click.echo(msgspec.json.format(msgspec.json.encode(reply)).decode())
        return
    click.echo(f"{found.kind} {found.model} version {shown(found.version)} at {iso(found.at)} by {found.actor}")
    click.echo(f"id {found.id}")
    for name, value in found.evidence.items():
        click.echo(f"  {name}: {_text(value)}")
    if result is not None:
        _say_whether_it_agrees(result.agrees, result.reason)


def _say_whether_it_agrees(agrees: bool | None, reason: str) -> None:
    if agrees is None:
        click.echo(f"not recomputed: {reason}")
    elif agrees:
        click.echo(click.style("recomputed from the lake: agrees", fg="green") + f" ({reason})")
    else:
        click.echo(click.style("recomputed from the lake: DIFFERS", fg="red", bold=True) + f" ({reason})")
        raise click.exceptions.Exit(1)


def _find(registry: Registry, decision: str) -> Decision:
    if len(decision) == 36:
        return registry.decisions.get(decision)
    found = [one for one in registry.decisions.list(limit=_MOST) if decision in one.id]
    if len(found) == 1:
        return found[0]
    fix = "write more of the id" if found else "list them with `tropism decisions`"
    raise UnknownDecision(f"{len(found)} decisions have an id with '{decision}'", Fault("id", repr(decision), fix))


def _why(decision: Decision) -> str:
    evidence = decision.evidence
    if decision.kind == "train":
        return str(evidence.get("failure") or "; ".join(evidence.get("reasons", [])))
    if "estimate" in evidence:
        n = f"{evidence['n']} predictions: " if "n" in evidence else ""
        low, high = shown(evidence["lower"]), shown(evidence["upper"])
        return f"{n}{evidence['metric']} lower by {shown(evidence['estimate'])} ({low} to {high})"
    return str(evidence.get("reason", ""))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "; ".join(_text(one) for one in value)
    return shown(value)
