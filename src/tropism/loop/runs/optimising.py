"""Writes what came of making a version smaller or faster as runs, one a technique that made something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.loop.runs.logging import TrainingRun
from tropism.loop.runs.telling import Told
from tropism.training.runs.base import Point

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tropism.core.task import Task
    from tropism.loop.services import Services
    from tropism.registry import ModelVersion
    from tropism.training.optimise.findings import Finding


def log_findings(
    services: Services, task: Task, source: ModelVersion, found: Iterable[Finding], tolerance: float
) -> None:
    """A run for each technique that was applied. One that does not fit the model made nothing, and what was made
    before has its run already. Nothing here raises."""
    now = services.clock.now()
    for one in found:
        if one.outcome == "does not fit" or one.known:
            continue
        job = f"optimise:{source.model}:{source.version}:{one.technique}:{now}"
        if one.version is not None:
            job = services.registry.versions.get(source.model, one.version).job_id or job
        run = TrainingRun(services, task, job, [f"optimise version {source.version}: {one.technique}"], now)
        if one.report is None:
            run.fail(one.why)
        else:
            run.record(_told(source, one, tolerance, now), "FINISHED")


def _told(source: ModelVersion, one: Finding, tolerance: float, at: int) -> Told:
    report = one.report
    assert report is not None
    quality = report.quality
    figures = {
        "size_bytes": float(report.size_after),
        "size_ratio": report.size_ratio,
        "loss_added": quality.difference.value,
        "loss_added_low": quality.difference.low,
        "loss_added_high": quality.difference.high,
        "one_row_time_ratio": report.one.ratio.value,
        "batch_time_ratio": report.many.ratio.value,
        "baseline/source_loss": quality.before,
        "held_out_loss": quality.before + quality.difference.value,
    }
    params = {
        "technique": one.technique,
        "from_version": str(source.version),
        "tolerance": str(tolerance),
        "learner": one.learner,
        "held_out_rows": str(quality.rows),
    }
    tags = {"tropism.outcome": one.outcome, "tropism.verdict": one.why}
    if one.version is not None:
        tags["tropism.version"] = str(one.version)
    files = {"report.json": msgspec.json.format(msgspec.json.encode(report), indent=2)}
    return Told(params, [Point(key=name, value=value, at=at) for name, value in figures.items()], tags, files)
