"""What a metric says of each unit, from matured predictions: of the units of an experiment, and before one started."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import SOURCES, misfits
from tropism.feedback.schemas import told_name
from tropism.loop.losses import served

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts, LakeVersions

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class Figures(NamedTuple):
    """Of each unit, by its number: `values`; `over`, the denominators of a ratio, else None; `known`: whether the unit
    has a value at all. Each of shape (units,)."""

    values: Floats
    over: Floats | None
    known: Mask


def answered(
    cohorts: Cohorts,
    task: Task,
    unit: str,
    metrics: Iterable[Metric],
    *,
    now: int,
    since: int | None,
    until: int | None = None,
    lake: LakeVersions | None = None,
) -> pa.Table:
    """Predictions with scores and a unit, made from `since` to `until` (µs), whose outcome window has closed by `now`.

    Columns: at, variant, scores, label, that of the unit, and `v_<name>` of each figure that metrics take from
    outcomes. Predictions without a label (NaN) are among them only where a metric takes one.
    """
    told = sorted({name for metric in metrics for name in metric.told}) or None
    columns = ("at", "variant", "scores", "label", unit)
    found = cohorts.matured(task, now=now, since=since, until=until, versions=lake, columns=columns, told=told).table
    scored = pc.greater(pc.fill_null(pc.list_value_length(found["scores"]), 0), 0)
    return found.filter(pc.and_(scored, pc.is_valid(found[unit])))


def by_unit(task: Task, metric: Metric, table: pa.Table, unit: Ints, size: int) -> Figures:
    """A metric's figures of `size` units, from the rows of `answered` and the number of each row's unit.

    What outcomes carried, and predictions, add up over a unit's rows; losses, outcomes and figures of which a missing
    one says nothing are averaged; a proportion is whether it was true of any row; a ratio has the sums of both.

    Raises:
        InvalidInput: the metric cannot be measured on this: it does not fit the task or what outcomes carried, or none
            carried it.
    """
    faults = misfits(metric, task, f"metrics.{metric.name}")
    if faults:
        raise InvalidInput(f"metric '{metric.name}' does not fit the task '{task.name}': {faults[0].fix}", *faults)
    of = _of_rows(task, metric, metric.of, table)
    over = _of_rows(task, metric, metric.over, table) if metric.kind == "ratio" else None
    used = ~np.isnan(of) if over is None else ~(np.isnan(of) | np.isnan(over))
    if not used.all():
        of, unit, over = of[used], unit[used], None if over is None else over[used]
    rows, total = np.bincount(unit, minlength=size), _sums(unit, of, size)
    known = rows > 0
    if over is not None:
        return Figures(total, _sums(unit, over, size), known)
    if metric.kind == "proportion":
        return Figures((total > 0).astype(np.float64), None, known)
    return Figures(total if _adds_up(metric) else total / np.maximum(rows, 1), None, known)


def covariates(task: Task, metric: Metric, table: pa.Table, unit: Ints, size: int) -> Floats:
    """What to adjust a metric's values by, shape (`size`,): each unit's own figure before it was exposed.

    `table`, `unit`: of predictions made before. Units that had none then get what says least: nothing, where figures
    add up, else the mean of the others.
    """
    try:
        found = by_unit(task, metric, table, unit, size)
    except InvalidInput:  # nothing of the kind was known then
        return np.zeros(size)
    if not found.known.any():
        return np.zeros(size)
    if found.over is not None:
        below = float(found.over.sum())
        ratio = float(found.values.sum()) / below if below > 0 else 0.0
        return np.asarray(found.values - ratio * found.over)
    if metric.told and metric.missing == "zero":
        return found.values
    return np.where(found.known, found.values, found.values[found.known].mean())


def numbered(table: pa.Table, column: str, units: pa.Array) -> Ints:
    """The number of each row's unit among `units`; -1 for others."""
    found = pc.index_in(table[column], value_set=units, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


def _sums(unit: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(unit, values, size).astype(np.float64)


def _adds_up(metric: Metric) -> bool:
    return metric.of == "predictions" or (metric.of not in SOURCES and metric.missing == "zero")


def _of_rows(task: Task, metric: Metric, source: str, table: pa.Table) -> Floats:
    """Of each row, NaN where nothing is known."""
    if source == "predictions":
        return np.ones(table.num_rows)
    if source not in SOURCES:
        return _told(metric, source, table)
    label = np.asarray(table["label"].to_numpy(), dtype=np.float64)
    if source == "outcome":
        return label
    labelled = ~np.isnan(label)
    if labelled.all():
        return served(task, table)
    found = np.full(len(label), np.nan)
    found[labelled] = served(task, table.filter(pa.array(labelled)))
    return found


def _told(metric: Metric, source: str, table: pa.Table) -> Floats:
    found = np.asarray(table[told_name(source)].to_numpy(), dtype=np.float64)
    told = found[~np.isnan(found)]
    field = f"metrics.{metric.name}.of"
    if not len(told):
        fix = f'send it with outcomes: {{"values": {{"{source}": ...}}}}'
        raise InvalidInput(f"no outcome carried '{source}' yet", Fault(field, repr(source), fix))
    wrong = told[(told != 0) & (told != 1)]
    if metric.kind == "proportion" and len(wrong):
        message = f"'{source}' is no proportion: an outcome carried {wrong[0]:g}, neither 0 nor 1; use kind='mean'"
        raise InvalidInput(message, Fault(f"metrics.{metric.name}.kind", "'proportion'", "use kind='mean'"))
    return np.where(np.isnan(found), 0.0, found) if metric.missing == "zero" else found
