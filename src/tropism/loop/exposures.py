"""What was measured of the units of an experiment: matured predictions of each variant, put together by unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY, SECOND
from tropism.core.durations import parse_duration
from tropism.experiments.splits.arms import Arm
from tropism.feedback.joining import moments
from tropism.loop.figures import answered, by_unit, covariates, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts, LakeVersions
    from tropism.registry.experiments import Trial

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


SETTLED = 60 * SECOND
"""Every data plane follows a step of a ramp by then."""
_STEP = 1_000_000
"""More than any number of a day."""


class Exposed(NamedTuple):
    """Predictions of an experiment's units, with who got what.

    `table`: as `figures.answered` gives it. `units`: their names. `unit`: of each row the number of its unit and
    variant together: variant * units + unit, shape (rows,). `first`: the day of the first prediction, shape
    (variants, units); of those without any it means nothing. `seen`: which have any. `stratum`: within which units are
    compared, of the same shape as `first`: that day, and in a canary its step of the ramp.
    """

    table: pa.Table
    units: pa.Array
    unit: Ints
    first: Ints
    seen: NDArray[np.bool_]
    stratum: Ints

    def counts(self, since: int) -> list[int]:
        """Units of each variant that a prediction was made for from a moment (µs) on."""
        fresh = np.zeros(self.seen.size, dtype=np.bool_)
        fresh[self.unit[moments(self.table, "at") >= since]] = True
        return [int(count) for count in fresh.reshape(self.seen.shape).sum(axis=1)]


def matured_whole(task: Task, now: int) -> int:
    """Until when (µs) the days are whole whose outcome windows have all closed."""
    return (now - task.window) // DAY * DAY


def next_whole(task: Task, since: int, now: int) -> int:
    """When (µs) one more day of what began at `since` will have matured whole."""
    return max(matured_whole(task, now), since // DAY * DAY) + DAY + task.window


def exposed(
    cohorts: Cohorts, task: Task, trial: Trial, *, now: int, lake: LakeVersions, steps: Sequence[int] = ()
) -> Exposed:
    """Predictions of an experiment's units since it started, of days that have matured whole; `steps`: see `grouped`.

    Rows without scores are left out; they have no loss.
    """
    spec, since = trial.spec, trial.started_at
    whole = max(matured_whole(task, now), since or 0)
    table = answered(cohorts, task, spec.unit, spec.metrics, now=now, since=since, until=whole, lake=lake)
    return grouped(trial, table, steps)


def grouped(trial: Trial, table: pa.Table, steps: Sequence[int] = ()) -> Exposed:
    """Rows of the experiment's own variants, by unit.

    `steps`: the moments (µs) at which a canary's share grew, in order. Each moves units from the control to the
    treatment, those who come often before others. So a unit's rows are those of the last step that it was seen in,
    where it had one variant throughout, and units are compared with those of the same step.
    """
    names = pa.array([f"{trial.name}/{variant.name}" for variant in trial.spec.variants])
    variant = numbered(table, "variant", names)
    if (variant < 0).any():
        table, variant = table.filter(pa.array(variant >= 0)), variant[variant >= 0]
    encoded = pc.dictionary_encode(table[trial.spec.unit].combine_chunks())
    own, shape = encoded.indices.to_numpy().astype(np.int64), (len(names), len(encoded.dictionary))
    step = np.searchsorted(np.asarray(steps, dtype=np.int64) + SETTLED, moments(table, "at"), side="right")
    latest = np.zeros(shape[1], dtype=np.int64)
    np.maximum.at(latest, own, step)
    kept = step == latest[own]
    if not kept.all():
        table, variant, own = table.filter(pa.array(kept)), variant[kept], own[kept]
    unit = variant * shape[1] + own
    first = np.full(shape[0] * shape[1], np.iinfo(np.int64).max)
    np.minimum.at(first, unit, moments(table, "at") // DAY)
    seen, first = (first < np.iinfo(np.int64).max).reshape(shape), first.reshape(shape)
    return Exposed(table, encoded.dictionary, unit, first, seen, np.where(seen, latest * _STEP + first, first))


def arms(
    task: Task, trial: Trial, metric: Metric, found: Exposed, before: Mapping[str, Floats] | None = None
) -> Mapping[str, Arm]:
    """A metric's values of each variant, by its name; only of variants that have units with one.

    What a unit's value is: see `figures.by_unit`. What stands for its day is its stratum. `before`: by the metric's
    name, what to adjust each unit by.

    Raises:
        InvalidInput: the metric cannot be measured on what there is.
    """
    values, over, known = by_unit(task, metric, found.table, found.unit, found.seen.size)
    covariate = (before or {}).get(metric.name)
    arms = {}
    for number, variant in enumerate(trial.spec.variants):
        rows = np.flatnonzero(known.reshape(found.seen.shape)[number])
        if len(rows):
            own = number * len(found.units) + rows
            arms[variant.name] = Arm(
                values[own],
                over=None if over is None else over[own],
                covariate=None if covariate is None else covariate[rows],
                day=found.stratum[number][rows],
            )
    return arms


def history(cohorts: Cohorts, task: Task, trial: Trial, found: Exposed, *, lake: LakeVersions) -> dict[str, Floats]:
    """What the metrics with `cuped` say of each unit before the experiment, by the metric's name; shape (units,).

    From predictions whose outcome windows had closed when it started, so that no variant can have changed them.
    """
    start, told = trial.started_at or 0, {}
    for metric in trial.spec.metrics:
        if metric.cuped:
            since = start - task.window - parse_duration(metric.cuped)
            table = answered(cohorts, task, trial.spec.unit, [metric], now=start, since=since, lake=lake)
            unit = numbered(table, trial.spec.unit, found.units)
            own = table.filter(pa.array(unit >= 0))
            told[metric.name] = covariates(task, metric, own, unit[unit >= 0], len(found.units))
    return told
