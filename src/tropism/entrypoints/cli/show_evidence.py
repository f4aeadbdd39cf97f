"""What the units of an experiment say so far, as `tropism experiments show` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tropism.entrypoints.cli.drawing import one_line
from tropism.entrypoints.cli.tables import print_table, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COLUMNS = ("treatment", "metric", "control", "treated", "difference", "at least", "at most", "")


def print_evidence(evidence: Mapping[str, Any]) -> None:
    """The analyses, what follows from them, and what the reader must know."""
    rows = [_row(name, one) for name, found in evidence["analyses"].items() for one in found]
    if rows:
        print_table(_COLUMNS, rows)
    click.echo(f"{evidence['n']} matured predictions: {one_line(evidence['reason'], 600)}")
    for line in (*_adjusted(evidence), *_observed(evidence), *_fading(evidence), *_everybody(evidence)):
        click.echo(line)


def _row(treatment: str, one: Mapping[str, Any]) -> tuple[Any, ...]:
    said = one["verdict"] if one["verdict"] != "undecided" else f"waits for {one['waiting_for']}"
    figures = (one[name] for name in ("control", "treatment", "difference", "lower", "upper"))
    return (treatment, one["metric"]["name"], *figures, said)


def _adjusted(evidence: Mapping[str, Any]) -> Iterator[str]:
    for name, found in evidence["analyses"].items():
        for one in found:
            if one["kept"] is not None:
                metric = one["metric"]
                less = f"{1 - one['kept']:.0%} less variance"
                yield f"{metric['name']} of {name}: {less} by what units did in the {metric['cuped']} before"


def _observed(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Metrics that cannot be compared and that the reason does not name, as they decide nothing."""
    for name, metrics in evidence.get("unmeasured", {}).items():
        for metric, why in metrics.items():
            if why not in evidence["reason"]:
                yield f"{metric} of {name} cannot be compared: {one_line(why, 300)}"


def _fading(evidence: Mapping[str, Any]) -> Iterator[str]:
    for name, found in evidence.get("novelty", {}).items():
        if found["changes"]:
            early, late = found["early"], found["late"]
            how = "fades" if abs(late) < abs(early) else "changes"
            parts = f"{early:.4g} a prediction for units of the first half of the days, {late:.4g} for later ones"
            yield f"warning: the effect of {name} {how}: {parts}; this decides nothing"


def _everybody(evidence: Mapping[str, Any]) -> Iterator[str]:
    """What a bandit's units had, and what everybody would have had with each variant."""
    if "earned" not in evidence:
        return
    earned = shown(evidence["earned"])
    yield f"its units had {earned} on average; with one variant for everybody it would have been, as estimated:"
    for name, one in evidence["everybody"].items():
        yield f"  {name}: {_interval(one)}"
        yield from (f"    warning: {one_line(warning, 300)}" for warning in one["warnings"])
    for name, one in evidence.get("gains", {}).items():
        yield f"choosing by context is better than {name} for everybody by {_interval(one)}"


def _interval(one: Mapping[str, Any]) -> str:
    return f"{shown(one['value'])} ({shown(one['low'])} to {shown(one['high'])})"
