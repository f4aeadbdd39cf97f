"""What `tropism features skew` and `tropism features stats` do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np

from tropism.core.durations import parse_duration
from tropism.entrypoints.cli.opening import settings_of
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.feature_watching import feature_statistics, served_skew
from tropism.entrypoints.supervisor import running
from tropism.featurestore.statistics import plain
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.features.statistics import Summary
    from tropism.featurestore.skew import TaskSkew
    from tropism.featurestore.statistics import FeatureStatistics
    from tropism.wiring import Platform

_BARS = "▁▂▃▄▅▆▇█"
_BINS = 8


def show_skew(project: Path, task: str, since: str, rows: int, as_json: bool) -> None:
    span = parse_duration(since, "--since")
    platform = _opened(project)
    found = served_skew(platform, task, platform.clock.now() - span, rows)
    if as_json:
        _print_json(msgspec.to_builtins(found) | {"mismatches": found.mismatches})
    else:
        _print_skew(found)
    if found.mismatches:
        raise click.exceptions.Exit(1)


def _opened(project: Path) -> Platform:
    settings = settings_of(project)
    platform = open_platform(settings)
    if running(settings.folder) is None:
        platform.ingest()  # otherwise the worker does it, every moment
    return platform


def _print_skew(found: TaskSkew) -> None:
    if found.note is not None:
        click.echo(found.note)
        return
    head = ("feature", "view", "compared", "mismatches")
    print_table(head, [(one.name, one.view, one.compared, one.mismatches) for one in found.features])
    for one in found.features:
        for example in one.examples:
            click.echo(f"  {one.name} of {example.id}: served {example.served}, the history gives {example.replayed}")
    for missing in found.unplayed:
        click.echo(f"  {missing.feature}: {missing.predictions:,} not computed again: {missing.reason}")
    assert found.since is not None and found.until is not None
    span = f"made from {moment(found.since)} to {moment(found.until)} UTC"
    total = f"{found.mismatches:,} mismatch{'' if found.mismatches == 1 else 'es'}"
    click.echo(f"{total} in {found.predictions:,} predictions of '{found.task}', {span}")


def show_statistics(project: Path, names: Sequence[str], days: int, task: str | None, as_json: bool) -> None:
    found = feature_statistics(_opened(project), names, days, task)
    if as_json:
        _print_json([plain(one) for one in found])
        return
    if not found:
        click.echo("no statistics: features that are computed have some once a task that names them was asked")
        return
    for place, one in enumerate(found):
        if place:
            click.echo()
        _print_feature(one)


def _print_feature(one: FeatureStatistics) -> None:
    click.echo(click.style(one.feature, bold=True) + f" ({one.kind}), {one.of}")
    if one.note is not None:
        click.echo(f"  {one.note}")
    if one.whole is None:
        click.echo("  no rows in these days" if one.note is None else "")
        return
    if one.kind in ("text", "boolean"):
        head: tuple[str, ...] = ("day", "rows", "nulls", "most frequent")
        rows: list[tuple[Any, ...]] = [
            (day.isoformat(), summary.count, summary.nulls, _frequent(summary)) for day, summary in one.days.items()
        ]
    else:
        head = ("day", "rows", "nulls", "min", "5%", "median", "95%", "max", "mean", "std", "histogram")
        rows = [(day.isoformat(), *_numbers(summary, one.whole)) for day, summary in one.days.items()]
    print_table(head, rows)
    if one.drift is not None:
        _print_drift(one)


def _print_drift(one: FeatureStatistics) -> None:
    found = one.drift
    assert found is not None
    before, now = found.rows
    click.echo(
        f"drift against the {found.reference.removeprefix('the ')} ({before:,} rows, now {now:,}): "
        f"PSI {found.psi:.3f} (0 to infinity), Jensen-Shannon {found.jensen_shannon:.3f} (0 to 1), "
        f"missing {found.missing[0]:.1%}, now {found.missing[1]:.1%}"
    )


def _numbers(summary: Summary, whole: Summary) -> tuple[Any, ...]:
    shares = summary.percentiles
    middle = tuple(shares.get(share) for share in (0.05, 0.5, 0.95))
    ends: tuple[Any, ...] = (summary.minimum, *middle, summary.maximum, summary.mean, summary.std)
    if summary.kind == "time":
        ends = tuple(None if one is None else moment(int(one)) for one in ends)
    return (summary.count, summary.nulls, *ends, histogram(summary, whole))


def histogram(summary: Summary, whole: Summary) -> str:
    """Bars of equal width between the 1 % and the 99 % quantile of all days, what is beyond in the outer ones.

    >>> from tropism.features.statistics import summarise
    >>> from tropism.features.types import dtype
    >>> import pyarrow as pa
    >>> one = summarise(pa.table({"a": [0.0, 0.0, 1.0, 2.0]}), {"a": dtype("number")})["a"]
    >>> histogram(one, one)
    '█   ▅  ▅'
    """
    shares = whole.percentiles
    if not summary.present or not shares:
        return ""
    low, high = shares[0.01], shares[0.99]
    if low == high:
        return _BARS[-1]
    values, weights = summary.quantiles.points()
    edges = np.linspace(low, high, _BINS + 1)[1:-1]
    return _bars(np.bincount(np.searchsorted(edges, values, side="right"), weights=weights, minlength=_BINS).tolist())


def _bars(counts: Sequence[float]) -> str:
    most = max(counts)
    return "".join(_BARS[round((len(_BARS) - 1) * count / most)] if count else " " for count in counts)


def _frequent(summary: Summary) -> str:
    top = list(summary.top.items())[:5]
    if not top:
        return ""
    shown = ", ".join(f"{_word(value)} {count / max(summary.present, 1):.0%}" for value, count in top)
    return f"{_bars([count for _, count in top])} {shown}"


def _word(value: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return text if len(text) <= 20 else f"{text[:19]}…"


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
