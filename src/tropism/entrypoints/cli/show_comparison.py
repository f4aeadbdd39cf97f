"""What `tropism models MODEL --compare A B` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.clock import SECOND, iso
from tropism.core.errors import ArtifactRefused, ArtifactTampered, MissingExtra, NotFound
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import print_table, shown
from tropism.entrypoints.governing import Governing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tropism.registry.comparison import Comparison
    from tropism.training.comparing import VersionComparison

_PARTS = ("metrics", "data", "parameters", "signature", "environment")
_MOMENTS = ("from", "now")
"""Facts of data that are times (µs)."""


def show_comparison(project: Path, model: str, a: int, b: int, as_json: bool) -> None:
    platform = open_project(project)
    facts = platform.registry.versions.compare(model, a, b)
    try:
        found = Governing(platform).compare(model, a, b)
    except (ArtifactRefused, ArtifactTampered, MissingExtra, NotFound) as error:
        if as_json:
            raise
        _show_facts(facts, ())
        click.echo(f"not compared on rows: {error}")
        return
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    _show_facts(facts, found.files)
    if a != b:
        for line in _lines(found):
            click.echo(line)


def _show_facts(facts: Comparison, files: Iterable[Any]) -> None:
    rows = [row for part in _PARTS for row in _differences(part, getattr(facts, part))]
    rows += [("files", one.field, _text(one.a), _text(one.b)) for one in files]
    if rows:
        print_table(("", "what differs", f"version {facts.a}", f"version {facts.b}"), rows)
    else:
        click.echo(f"versions {facts.a} and {facts.b} do not differ")


def _lines(found: VersionComparison) -> list[str]:
    """What the two say of the same rows, and which to take."""
    lines = []
    if found.predictions is not None:
        apart = found.predictions
        changed = "" if apart.changed is None else f"; {apart.changed:.1%} are decided otherwise"
        told = f"their scores differ by {apart.mean:.4g} on average, {apart.largest:.4g} at most{changed}"
        lines.append(f"on {apart.rows:,} rows that neither learnt from, {told}")
    if found.losses is not None and found.losses.lower is not None and found.losses.upper is not None:
        less, low, high = (shown(one) for one in (found.losses.estimate, found.losses.lower, found.losses.upper))
        lines.append(f"version {found.b} loses {less} less than version {found.a} ({low} to {high})")
    choices = {"a": f"take version {found.a}", "b": f"take version {found.b}", "either": "take either"}
    lines.append(f"{choices.get(found.choice, 'wait')}: {found.reason}")
    return lines


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
            rows.append((part, field, *(_text(value, field if part == "data" else "") for value in (a, b))))
    return rows


def _text(value: Any, name: str = "") -> str:
    if name in _MOMENTS and isinstance(value, int):
        return iso(value // SECOND * SECOND)
    if isinstance(value, list):
        return "; ".join(_text(one) for one in value)
    if isinstance(value, dict) and {"learner", "span", "loss"} <= value.keys():
        return f"{value['learner']} on {value['span']} {shown(value['loss'])}"
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}..."
    return shown(value)
