"""What `tropism history` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.errors import UnknownDecision
from tropism.entrypoints.cli.decision_names import short_name
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.registry.alias_history import alias_moves

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.registry import Registry

_MOST = 10_000


def show_history(project: Path, model: str, alias: str | None, limit: int, as_json: bool) -> None:
    registry = open_project(project).registry
    registry.tasks.get(model)
    found = alias_moves(registry.db, model, alias, _MOST)[:limit]
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    if not found:
        click.echo(f"no alias of {model} moved yet" if alias is None else f"the alias '{alias}' of {model} never moved")
        return
    decided = {move.decision_id for move in found}
    whys = {one: _why(registry, one) for one in decided}
    names = {one: None if one is None else short_name(registry, one) for one in decided}
    rows = [
        (moment(one.at), one.alias, one.before, one.version, one.actor, names[one.decision_id], whys[one.decision_id])
        for one in found
    ]
    print_table(("when (UTC)", "alias", "from", "to", "by", "decision", "why"), rows)


def _why(registry: Registry, decision_id: str | None) -> str | None:
    """The reason that a decision's evidence gives."""
    if decision_id is None:
        return None
    try:
        evidence = registry.decisions.get(decision_id).evidence
    except UnknownDecision:
        return None
    return str(evidence.get("reason") or evidence.get("verdict") or "") or None
