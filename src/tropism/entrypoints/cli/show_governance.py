"""What the commands of levels show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.governance import gate_kind
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.cli.writing import write_text
from tropism.entrypoints.governing import Governing

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.core.governance import Gate
    from tropism.registry.gate_runs import GateRun


def show_levels(project: Path, model: str, as_json: bool) -> None:
    governing = Governing(open_project(project))
    policy = governing.policies.get(model)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(policy)).decode())
        return
    standing = governing.levels.all(model).values()
    rows = []
    for level in policy.levels:
        versions = ", ".join(str(one.version) for one in standing if one.level == level.name) or "-"
        for place, gate in enumerate(level.gates or (None,)):
            name, there = (level.name, versions) if place == 0 else ("", "")
            rows.append((name, there, "-" if gate is None else gate_kind(gate), "" if gate is None else _asked(gate)))
    print_table(("level", "versions", "gate", "asks for"), rows)


def _asked(gate: Gate) -> str:
    """A gate's figures, without those that ask for nothing."""
    facts = msgspec.to_builtins(gate)
    parts = (f"{name} {value}" for name, value in facts.items() if name != "gate" and value not in (None, "", [], {}))
    return ", ".join(parts)


def show_level(project: Path, model: str, version: int) -> None:
    levels = Governing(open_project(project)).levels
    standing = levels.get(model, version)
    click.echo(f"version {version} of {model} stands on {standing.level} since {moment(standing.since)} UTC")
    moves = levels.history(model, version)
    if moves:
        rows = [(moment(one.at), one.before, one.level, one.actor, one.reason or None) for one in moves]
        print_table(("when (UTC)", "from", "to", "by", "why"), rows)


def print_results(run: GateRun) -> None:
    rows = [
        (one.name, "passed" if one.passed else "FAILED" if one.assessed else "not assessed", one.required, one.message)
        for one in run.results
    ]
    print_table(("gate", "verdict", "required", "found"), rows)


def show_reviews(project: Path, model: str, version: int) -> None:
    platform = open_project(project)
    platform.registry.versions.get(model, version)
    found = Governing(platform).reviews.list(model, version)
    if not found:
        click.echo(f"nobody reviewed version {version} of {model} yet")
        return
    now = platform.clock.now()
    rows = []
    for one in found:
        standing = "used" if one.used_by else "withdrawn" if one.closed_at else "holds" if one.holds(now) else "expired"
        rows.append((one.id, one.level, one.actor, one.role or None, one.verdict, standing, one.comment or None))
    print_table(("id", "level", "by", "role", "said", "is", "comment"), rows)


def show_card(project: Path, model: str, version: int, form: str, output: Path | None) -> None:
    from tropism.entrypoints.card_text import markdown, page

    found = Governing(open_project(project)).card(model, version)
    if form == "json":
        written = msgspec.json.encode(found).decode() + "\n"
    else:
        written = markdown(found) if form == "markdown" else page(found)
    if output is None:
        click.echo(written, nl=False)
    else:
        write_text(output, written)
        click.echo(str(output))
