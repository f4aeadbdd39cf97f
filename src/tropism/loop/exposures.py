"""What was measured of the units of an experiment: matured predictions of each variant, put together by unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY
from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.splits.arms import Arm
from tropism.feedback.joining import moments
from tropism.loop.losses import served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts, LakeVersions
    from tropism.registry.experiments import Trial

    Floats = NDArray[np.float64]

SOURCES = ("loss", "outcome", "predictions")
"""What a metric can be of: the loss of the task's metric, the outcome itself, or how many predictions there were."""


def matured_whole(task: Task, now: int) -> int:
    """Until when (µs) the days are whole whose outcome windows have all closed."""
    return (now - task.window) // DAY * DAY


def exposed(cohorts: Cohorts, task: Task, trial: Trial, *, now: int, lake: LakeVersions) -> pa.Table:
    """Predictions of an experiment's units since it started, with scores and labels, of days that have matured whole.

    Rows without scores are left out; they have no loss.
    """
    unit, whole = trial.spec.unit, max(matured_whole(task, now), trial.started_at or 0)
    columns = ("at", "variant", "scores", "label", unit)
    table = cohorts.matured(task, now=now, since=trial.started_at, until=whole, versions=lake, columns=columns).table
    own = pc.starts_with(table["variant"], f"{trial.name}/")
    answered = pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0)
    return table.filter(pc.and_(pc.and_(own, answered), pc.is_valid(table[unit])))


def arms(task: Task, trial: Trial, metric: Metric, table: pa.Table) -> Mapping[str, Arm]:
    """A metric's values of each variant, by its name; only of variants that have units.

    A unit's value is the mean over its predictions; for a proportion, whether it was true of any; for a ratio, the
    sums of both. Its day is that of its first prediction with the variant.

    Raises:
        InvalidInput: the metric is of something that outcomes do not tell.
    """
    of, over = _values(task, metric, metric.of, table), None
    if metric.kind == "ratio":
        over = _values(task, metric, metric.over, table)
    variants = np.asarray(pc.utf8_slice_codeunits(table["variant"], len(trial.name) + 1).to_pylist(), dtype=object)
    units, day = table[trial.spec.unit], moments(table, "at") // DAY
    found = {}
    for variant in trial.spec.variants:
        rows = np.flatnonzero(variants == variant.name)
        if len(rows):
            _, unit = np.unique(units.take(pa.array(rows)).to_numpy(zero_copy_only=False), return_inverse=True)
            found[variant.name] = _arm(metric, of[rows], None if over is None else over[rows], day[rows], unit)
    return found


def _values(task: Task, metric: Metric, source: str, table: pa.Table) -> Floats:
    if source == "loss":
        return served(task, table)
    if source == "outcome":
        return np.asarray(table["label"].to_numpy(), dtype=np.float64)
    if source == "predictions":
        return np.ones(table.num_rows)
    fault = Fault(f"metrics.{metric.name}.of", repr(source), f"use one of: {', '.join(SOURCES)}")
    raise InvalidInput(f"metric '{metric.name}' is of something that outcomes do not tell", fault)


def _arm(metric: Metric, of: Floats, over: Floats | None, day: NDArray[np.int64], unit: NDArray[np.int64]) -> Arm:
    size = int(unit.max()) + 1
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, unit, day)
    total = np.bincount(unit, of, size)
    if metric.kind == "ratio" and over is not None:
        return Arm(total, over=np.bincount(unit, over, size), day=first)
    if metric.kind == "proportion":
        return Arm((total > 0).astype(np.float64), day=first)
    return Arm(total / np.bincount(unit, minlength=size), day=first)
