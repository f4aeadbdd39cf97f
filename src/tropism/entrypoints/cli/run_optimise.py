"""What `tropism optimise` does: tries techniques, shows what came of each, registers what passes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.cli.naming import named_version
from tropism.entrypoints.cli.opening import settings_of
from tropism.entrypoints.cli.progressing import progress_bars
from tropism.entrypoints.cli.tables import print_table
from tropism.entrypoints.supervisor import running
from tropism.feedback.joining import moments
from tropism.loop.runs.optimising import log_findings
from tropism.training.optimise.base import Sample
from tropism.training.optimise.division import divide
from tropism.training.optimise.optimising import Optimiser
from tropism.training.optimise.quality import Judge
from tropism.training.optimise.targets import techniques
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.evaluation.intervals import Interval
    from tropism.registry import ModelVersion
    from tropism.training.optimise.findings import Finding
    from tropism.training.optimise.targets import Target
    from tropism.wiring import Platform

_HEAD = ("technique", "size", "1 row", "64 rows", "loss", "verdict", "version")


def run_optimise(project: Path, version: str, target: str, tolerance: float, out: Path | None, actor: str) -> None:
    settings = settings_of(project)
    platform = open_platform(settings)
    source = named_version(platform.registry, version)
    task = platform.registry.tasks.get(source.model)
    judge = Judge(task.kind, task.metric_name, tolerance)
    if running(settings.folder) is None:
        platform.ingest()  # otherwise the worker does it, every moment
    rows = divide(task.name, known_rows(platform, task), _trained(source))
    optimiser = Optimiser(platform.registry, platform.blobs, source, rows, judge, actor)
    found = _attempt_all(platform, optimiser, judge, cast("Target", target))
    log_findings(platform.services(), task, source, found, tolerance)
    _show(source, found, judge, rows.fresh)
    if all(one.outcome in ("does not fit", "failed") for one in found):
        why = [Fault(one.technique, "", one.why) for one in found]
        raise InvalidInput(f"nothing could be tried on {source.model}:{source.version} for {target}", *why)
    if target == "mobile":
        _bundle_smallest(platform, source, found, out)


def known_rows(platform: Platform, task: Task) -> Sample:
    """All labelled rows of a task, oldest first."""
    table = platform.cohorts.known(task, now=platform.clock.now()).table
    features = pa.table({name: table[f"f_{name}"] for name in task.feature_names})
    return Sample(features, table["label"].to_numpy(), moments(table, "at"))


def _trained(source: ModelVersion) -> int:
    """When the rows that a version learnt from were taken (µs)."""
    taken = source.data.get("now")
    return taken if isinstance(taken, int) else source.created_at


def _attempt_all(platform: Platform, optimiser: Optimiser, judge: Judge, target: Target) -> list[Finding]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    tried = techniques(target, judge)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with progress_bars(*columns) as progress:
        bar = progress.add_task("measuring", total=len(tried))
        for technique in tried:
            progress.update(bar, description=technique.name)
            found.append(optimiser.attempt(technique, now=platform.clock.now()))
            progress.advance(bar)
    return found


def _show(source: ModelVersion, found: list[Finding], judge: Judge, fresh: bool) -> None:
    print_table(_HEAD, [_row(one) for one in found])
    reports = [one.report for one in found if one.report is not None]
    if reports:
        quality = reports[0].quality
        name = "error rate" if judge.metric == "accuracy" else judge.metric
        click.echo(
            f"against {source.model}:{source.version}, on {quality.rows} rows held out: size and time as shares of its "
            f"own, {name} {quality.before:.4g} and what is added to it; at most {quality.allowed:.2g} may be added"
        )
        if not fresh:
            click.echo("the model learnt from some of these rows, so what learns anew looks worse than it is")
    made = [one.version for one in found if one.version is not None and not one.known]
    if made:
        click.echo(f"the champion stays; to make one of them champion: tropism promote {source.model} {made[0]}")


def _row(one: Finding) -> tuple[Any, ...]:
    report = one.report
    if report is None:
        return (one.technique, "-", "-", "-", "-", f"{one.outcome}: {one.why}", None)
    verdict = f"{one.outcome}: {one.why}" if one.why else str(one.outcome)
    if one.outcome == "passed":
        worse = f", worse in {', '.join(report.costs)}" if report.costs else ""
        verdict = f"passed: better in {', '.join(report.gains)}{worse}{' (made before)' if one.known else ''}"
    difference = report.quality.difference
    return (
        one.technique,
        f"x{report.size_ratio:.2f}",
        _share(report.one.ratio),
        _share(report.many.ratio),
        f"{difference.value:+.2g} ({difference.low:+.2g} to {difference.high:+.2g})",
        verdict,
        one.version,
    )


def _share(ratio: Interval) -> str:
    return f"x{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _bundle_smallest(platform: Platform, source: ModelVersion, found: list[Finding], out: Path | None) -> None:
    from tropism.entrypoints.cli.run_bundle import write_version

    passed = [one for one in found if one.version is not None and one.report is not None]
    if not passed:
        click.echo(f"nothing passed, so there is no bundle; of the version as it is: tropism bundle {source.model}")
        return
    best = min(passed, key=lambda one: one.report.size_after if one.report is not None else 0)
    assert best.version is not None
    folder = out or Path(platform.settings.project) / f"{source.model}-{best.version}-edge"
    write_version(platform, platform.registry.versions.get(source.model, best.version), folder)
