"""What was measured of the units of a bandit: matured predictions, each with the shares that it was drawn by.

Units are drawn anew with each revision of the shares, so what is compared is a unit in a revision, within its stratum:
the revision and the day of its first prediction in it. There the shares are constant, or, of a contextual policy, known
for each prediction, whatever was learned before; so the comparison is that of a plain randomised experiment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY, SECOND
from tropism.experiments.bandits.revisions import first_revision
from tropism.experiments.splits.arms import Arm
from tropism.feedback.joining import moments
from tropism.loop.exposures import matured_whole
from tropism.loop.figures import by_unit, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tropism.core.bandit import Revision
    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts, LakeVersions
    from tropism.registry.experiments import Trial

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_CLOCKS = 60 * SECOND
"""How far the clocks of two machines may be apart."""
_NEAR = 1e-9


class Taken(NamedTuple):
    """Predictions of a bandit's units. Of each row: `arm`, the number of its variant; `propensity`; `revision`, the
    place of its revision among all of them; `unit`, the number of its unit in that revision; `stratum`. Shapes (rows,).
    """

    table: pa.Table
    arm: Ints
    propensity: Floats
    revision: Ints
    unit: Ints
    stratum: Ints

    @property
    def units(self) -> int:
        """Units, each counted once for each revision."""
        return len(np.unique(self.unit))


def revisions_of(trial: Trial, history: Sequence[Revision]) -> tuple[Revision, ...]:
    """All that an experiment went by, its start first."""
    return (first_revision(trial.spec, trial.started_at or 0), *history)


def taken(
    cohorts: Cohorts, task: Task, trial: Trial, revisions: Sequence[Revision], *, now: int, lake: LakeVersions
) -> Taken:
    """Predictions that a bandit chose the variant of, since it started, of days that have matured whole.

    Rows without scores or a propensity are left out, and those whose propensity is none that there was then.
    """
    spec, since = trial.spec, trial.started_at
    told = sorted({name for metric in spec.metrics for name in metric.told}) or None
    columns = ["at", "variant", "scores", "label", "propensity", spec.unit]
    columns += [f"f_{name}" for name in context_names(task, trial)]
    found = cohorts.matured(
        task,
        now=now,
        since=since,
        until=max(matured_whole(task, now), since or 0),
        versions=lake,
        columns=columns,
        told=told,
    ).table
    scored = pc.greater(pc.fill_null(pc.list_value_length(found["scores"]), 0), 0)
    table = found.filter(pc.and_(scored, pc.and_(pc.is_valid(found[spec.unit]), pc.is_valid(found["propensity"]))))
    names = pa.array([f"{trial.name}/{variant.name}" for variant in spec.variants])
    table = table.filter(pa.array(numbered(table, "variant", names) >= 0))
    arm = numbered(table, "variant", names)
    revision = _revision(trial, revisions, table, arm)
    if (revision < 0).any():
        kept = revision >= 0
        table, arm, revision = table.filter(pa.array(kept)), arm[kept], revision[kept]
    return _grouped(trial, table, arm, revision)


def context_names(task: Task, trial: Trial) -> tuple[str, ...]:
    """The features that a contextual policy reads; none of another one."""
    settings = trial.spec.shared_by
    return (settings.features or tuple(task.feature_names)) if settings.contextual else ()


def _revision(trial: Trial, revisions: Sequence[Revision], table: pa.Table, arm: Ints) -> Ints:
    """The place of each row's revision; -1 where no share that there was is its propensity."""
    at, propensity = moments(table, "at"), table["propensity"].to_numpy()
    if trial.spec.shared_by.contextual:
        published = np.array([one.at for one in revisions])
        return np.maximum(np.searchsorted(published, at, side="right") - 1, 0)
    found = np.full(len(at), -1)
    for place, one in enumerate(revisions):
        shares = np.array([one.shares[variant.name] for variant in trial.spec.variants])
        found[(at >= one.at - _CLOCKS) & (np.abs(shares[arm] - propensity) < _NEAR)] = place
    return found


def _grouped(trial: Trial, table: pa.Table, arm: Ints, revision: Ints) -> Taken:
    encoded = pc.dictionary_encode(table[trial.spec.unit].combine_chunks())
    own = encoded.indices.to_numpy().astype(np.int64)
    _, unit = np.unique(revision * max(len(encoded.dictionary), 1) + own, return_inverse=True)
    day = moments(table, "at") // DAY
    first = np.full(len(np.unique(unit)), np.iinfo(np.int64).max)
    np.minimum.at(first, unit, day)
    _, stratum = np.unique(revision * 1_000_000 + first[unit], return_inverse=True)
    propensity = np.asarray(table["propensity"].to_numpy(), dtype=np.float64)
    return Taken(table, arm, propensity, revision, unit.astype(np.int64), stratum.astype(np.int64))


def bandit_arms(task: Task, trial: Trial, metric: Metric, found: Taken) -> Mapping[str, Arm]:
    """A metric's values of each variant, by its name; only of variants that have units with one.

    Of a contextual policy every row counts by the inverse of its propensity, within its stratum: an arm's mean is then
    what everybody would have had with it (SNIPS), and its values are the mean and the units' influence on it.

    Raises:
        InvalidInput: the metric cannot be measured on what there is.
    """
    contextual = trial.spec.shared_by.contextual
    k = len(trial.spec.variants)
    if contextual:
        values, _, known = by_unit(task, metric, found.table, np.arange(len(found.arm)), len(found.arm))
        each = [_weighted(found, values, known & (found.arm == number)) for number in range(k)]
    else:
        group = found.unit * k + found.arm
        size = (int(found.unit.max()) + 1) * k if len(group) else 0
        values, over, known = by_unit(task, metric, found.table, group, size)
        stratum = np.zeros(size, dtype=np.int64)
        stratum[group] = found.stratum
        rows = [np.flatnonzero(known & (np.arange(size) % k == number)) for number in range(k)]
        each = [Arm(values[own], over=None if over is None else over[own], day=stratum[own]) for own in rows]
    named = zip(trial.spec.variants, each, strict=True)
    return {variant.name: arm for variant, arm in named if len(np.asarray(arm.values))}


def _weighted(found: Taken, values: Floats, rows: NDArray[np.bool_]) -> Arm:
    """One variant's rows, put together by unit; see `bandit_arms`."""
    value, weight, stratum = values[rows], 1 / found.propensity[rows], found.stratum[rows]
    if not len(value):
        return Arm(value, day=stratum)
    means, size = snips_means(value, weight, stratum)
    influence = (value - means[stratum]) * weight / (np.bincount(stratum, weight) / np.maximum(size, 1))[stratum]
    _, first, unit = np.unique(found.unit[rows], return_index=True, return_inverse=True)
    own = stratum[first]
    total, clusters = np.bincount(unit, influence), np.bincount(own, minlength=len(size))
    return Arm(means[own] + total * (clusters / np.maximum(size, 1))[own], day=own)


def snips_means(value: Floats, weight: Floats, stratum: Ints, strata: int = 0) -> tuple[Floats, Ints]:
    """The weighted mean of each stratum (NaN where there are no rows), and its rows."""
    total, size = np.bincount(stratum, weight, strata), np.bincount(stratum, minlength=strata)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(stratum, weight * value, strata) / total, size


def analysed(trial: Trial, metric: Metric) -> Metric:
    """The metric as `analyse` reads the values of `bandit_arms`: weighted proportions are means."""
    if trial.spec.shared_by.contextual and metric.kind == "proportion":
        return msgspec.structs.replace(metric, kind="mean")
    return metric
