"""What rules may ask about a task, by the names that they have for it. What is not known is None."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.durations import parse_duration
from tropism.core.metric_names import METRIC_NAMES
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.loop.watching.labelled import labelled
from tropism.loop.watching.rows import rows_served
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.costs import cost
from tropism.monitoring.quality import assess
from tropism.monitoring.quality import facts as quality_facts
from tropism.monitoring.segments.masks import masks
from tropism.monitoring.service import service
from tropism.monitoring.tracking import current
from tropism.monitoring.usage import usage

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.loop.watching.estimators import Estimators
    from tropism.loop.watching.watch import Watched
    from tropism.monitoring.costs import CostSettings
    from tropism.storage.lake import Lake

Facts = dict[str, float | None]
_MOST = 100_000
"""Rows of a period that the figures of columns are of: the last ones."""


class FactSources(NamedTuple):
    """Where facts come from."""

    lake: Lake
    cohorts: Cohorts
    prices: CostSettings
    estimators: Estimators | None = None


def facts_of(sources: FactSources, task: Task, watched: Watched, now: int) -> Facts:
    """Everything that is known of a task at `now` (µs), over its `monitoring.period`."""
    period = parse_duration(task.monitoring.period)
    served = rows_served(sources.lake, task, now - period, now + 1, _MOST)
    found = drift_facts(watched) | quality_facts(assess(served, task.features, now))
    if sources.estimators is not None:
        found |= sources.estimators.facts(task, watched.version, served, now)
    found |= _performance(sources, task, now, period) | _service(sources, task, now - period, now)
    return found | _counted(task, served)


def drift_facts(watched: Watched) -> Facts:
    """Scores of the monitors, and of each feature."""
    scores = {kind: monitor.score for kind, monitor in watched.monitors.items() if monitor.windows}
    decay = scores.get(LOSS) if watched.concept is None else watched.concept.score
    found: Facts = {"drift": scores.get(FEATURES), "prediction_drift": scores.get(PREDICTION), "decay": decay}
    if FEATURES in scores:
        found |= {f"drift:{name}": score for name, score in watched.monitors[FEATURES].columns.items()}
    return found


def _performance(sources: FactSources, task: Task, now: int, period: int) -> Facts:
    """Figures of matured predictions, all together and within each segment."""
    rows = labelled(sources.lake, sources.cohorts, task, now, period)
    found = current(task, rows.table, period, now, baseline_scores=rows.baseline, predicted=rows.predicted)
    for name in masks(task, rows.table, task.monitoring.segments):
        part = rows.where(task, name)
        told = current(task, part.table, period, now, baseline_scores=part.baseline, predicted=part.predicted)
        found |= {f"{key}:{name}": value for key, value in told.items() if METRIC_NAMES[key].of == "segment"}
    return found


def _counted(task: Task, served: pa.Table) -> Facts:
    """Predictions of the period within each segment."""
    inside = masks(task, served, task.monitoring.segments)
    return {f"predictions:{name}": float(mask.sum()) for name, mask in inside.items()}


def _service(sources: FactSources, task: Task, start: int, end: int) -> Facts:
    rows = sources.lake.read(SERVICE_NAME, schema=SERVICE, since=start, until=end)
    found = service(rows, start, end).facts(task.name)
    used = [one for one in usage(rows).usage if one.task == task.name]
    if used:
        price = cost(
            sources.prices,
            predictions=sum(one.predictions for one in used),
            cpu_seconds=sum(one.cpu_seconds for one in used),
            gpu_seconds=sum(one.gpu_seconds for one in used),
            per_1000=task.monitoring.cost_per_1000 or None,
        )
        found["cost"] = price.total
    return found
