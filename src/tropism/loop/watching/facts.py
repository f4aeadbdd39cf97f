"""What rules may ask about a task, by the names that they have for it. What is not known is None."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.durations import parse_duration
from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores
from tropism.feedback.joining import moments
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.loop.watching.rows import rows_served
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.costs import cost
from tropism.monitoring.quality import assess
from tropism.monitoring.quality import facts as quality_facts
from tropism.monitoring.segments.masks import masks
from tropism.monitoring.service import service
from tropism.monitoring.tracking import LEAST, current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.loop.watching.watch import Watched
    from tropism.monitoring.costs import CostSettings
    from tropism.storage.lake import Lake

Facts = dict[str, float | None]
_REACH = (1, 10, 100)
"""How many periods back outcomes are looked for before all are."""


class FactSources(NamedTuple):
    """Where facts come from."""

    lake: Lake
    cohorts: Cohorts
    prices: CostSettings


def facts_of(sources: FactSources, task: Task, watched: Watched, now: int) -> Facts:
    """Everything that is known of a task at `now` (µs), over its `monitoring.period`."""
    period = parse_duration(task.monitoring.period)
    served = rows_served(sources.lake, task, now - period, now + 1)
    found = drift_facts(watched) | quality_facts(assess(served, task.features, now))
    labelled, baseline = _labelled(sources.cohorts, task, now, period)
    found |= current(task, labelled, period, now, baseline_scores=baseline)
    for name, inside in masks(task, labelled, task.monitoring.segments).items():
        beside = None if baseline is None else baseline[inside]
        part = current(task, labelled.filter(pa.array(inside)), period, now, baseline_scores=beside)
        found |= {f"{metric}:{name}": value for metric, value in part.items()}
    return found | _service(sources, task, now - period, now)


def drift_facts(watched: Watched) -> Facts:
    """Scores of the monitors, and of each feature."""
    scores = {kind: monitor.score for kind, monitor in watched.monitors.items() if monitor.windows}
    found: Facts = {
        "drift": scores.get(FEATURES),
        "prediction_drift": scores.get(PREDICTION),
        "decay": scores.get(LOSS),
    }
    if FEATURES in scores:
        found |= {f"drift:{name}": score for name, score in watched.monitors[FEATURES].columns.items()}
    return found


def _labelled(cohorts: Cohorts, task: Task, now: int, period: int) -> tuple[pa.Table, NDArray[np.float64] | None]:
    """Matured predictions with scores of as many periods as hold enough of them, and the best baseline's answers."""
    since: int | None = None
    for reach in _REACH:
        since = now - task.window - reach * period
        table = cohorts.matured(task, now=now, since=since).table
        if table.num_rows >= 2 * LEAST:
            break
    else:
        table = cohorts.matured(task, now=now).table
    rows = pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0)
    made = table.filter(rows)
    if not made.num_rows:
        return made, None
    labels = table["label"].to_numpy()
    answers = reference_scores(task, labels, moments(table, "at"), moments(table, "label_at"))
    kept = rows.to_numpy()
    return made, _best(task, made, {rule: scores[kept] for rule, scores in answers.items()})


def _best(task: Task, made: pa.Table, answers: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64] | None:
    labels = made["label"].to_numpy()
    mean = {rule: float(np.nanmean(losses(task.metric_name, labels, scores))) for rule, scores in answers.items()}
    return answers[min(mean, key=lambda rule: mean[rule])] if mean else None


def _service(sources: FactSources, task: Task, start: int, end: int) -> Facts:
    rows = sources.lake.read(SERVICE_NAME, schema=SERVICE, since=start, until=end)
    found = service(rows, start, end).facts(task.name)
    predictions = found.get("predictions")
    if predictions is not None:
        price = cost(sources.prices, predictions=int(predictions), per_1000=task.monitoring.cost_per_1000 or None)
        found["cost"] = price.total
    return found
