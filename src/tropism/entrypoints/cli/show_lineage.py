"""What `tropism lineage` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment
from tropism.entrypoints.lineage import lineage, lineage_events
from tropism.registry.feature_plan import masked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tropism.registry.lineage import Direction, Graph, Node

_Key = tuple[str, str]
_DAYS = 7
_MOST = 200
_TITLES = {"up": "came of", "down": "became"}


def show_lineage(project: Path, kind: str, name: str, direction: str, as_json: bool) -> None:
    found = lineage(open_project(project), kind, name, cast("Direction", direction))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    root = next(node for node in found.nodes if node.key == (found.kind, found.id))
    click.echo(click.style(_title(root), bold=True))
    for side in ("up", "down"):
        if direction in (side, "both"):
            lines = list(_below(_neighbours(found, side), root, 1, {root.key}))
            click.echo(f"{_TITLES[side]}:" if lines else f"{_TITLES[side]}: nothing that is noted")
            for line in lines:
                click.echo(line)


def _neighbours(graph: Graph, side: str) -> dict[_Key, list[Node]]:
    """What each node came of (`up`) or became (`down`)."""
    nodes = {one.key: one for one in graph.nodes}
    found: dict[_Key, list[Node]] = {}
    for link in graph.edges:
        before, after = (link.from_kind, link.from_id), (link.to_kind, link.to_id)
        near, far = (after, before) if side == "up" else (before, after)
        found.setdefault(near, []).append(nodes[far])
    return found


def _below(near: dict[_Key, list[Node]], node: Node, depth: int, drawn: set[_Key]) -> Iterator[str]:
    """The lines of a tree under a node; what stands above already is not drawn out again."""
    for other in near.get(node.key, ()):
        again = other.key in drawn
        yield "  " * depth + _title(other) + (" (see above)" if again else "")
        if again:
            continue
        drawn.add(other.key)
        if other.kind == "predictions":
            yield from ("  " * (depth + 1) + line for line in _daily(other))
        yield from _below(near, other, depth + 1, drawn)


def _daily(node: Node) -> Iterator[str]:
    """The newest days of a model's predictions."""
    days = list(node.facts["days"].items())
    for day, count in reversed(days[-_DAYS:]):
        yield f"{day}  {count:,}"
    if len(days) > _DAYS:
        yield f"and {len(days) - _DAYS} earlier days since {days[0][0]}"


def _title(node: Node) -> str:
    """A node on one line, without control characters."""
    text = f"{node.kind} {node.id}"
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    told = _told(node.kind, node.facts)
    return (text if len(text) <= _MOST else f"{text[: _MOST - 3]}...") + (f" ({told})" if told else "")


def _told(kind: str, facts: dict[str, Any]) -> str:
    made = f"{moment(facts['at'])} UTC" if "at" in facts else ""
    if kind == "model":
        run = f"run {facts['run'][:8]}" if "run" in facts else ""
        parts = [facts["learner"], facts["state"], made, run] if facts else []
    elif kind == "view":
        parts = [facts["state"], made] if facts else []
    elif kind == "training-set":
        parts = [f"{facts['rows']:,} rows"] if "rows" in facts else []
    elif kind == "predictions":
        parts = [f"{facts['total']:,} made"]
    elif kind == "prediction":
        by = "" if facts["version"] else "no model made it"
        parts = [facts["task"], facts["variant"], made, by]
    else:
        parts = []
    return ", ".join(part for part in parts if part)


def print_events(project: Path, kind: str, name: str, direction: str, namespace: str | None) -> None:
    for event in _events(project, kind, name, direction, namespace):
        click.echo(msgspec.json.encode(event).decode())


def send_events(project: Path, kind: str, name: str, direction: str, url: str, namespace: str | None) -> None:
    from tropism.entrypoints.sending import send

    events = _events(project, kind, name, direction, namespace)
    send(events, url)
    click.echo(f"sent {len(events)} event{'s' if len(events) != 1 else ''} to {masked(url)}")


def _events(project: Path, kind: str, name: str, direction: str, namespace: str | None) -> tuple[dict[str, Any], ...]:
    platform = open_project(project)
    return lineage_events(platform, lineage(platform, kind, name, cast("Direction", direction)), namespace)
