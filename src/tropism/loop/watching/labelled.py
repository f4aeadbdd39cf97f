"""Matured predictions with their outcomes, as many of the last as figures need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.events import PINNED
from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores
from tropism.feedback.joining import EARLY_LIMIT, moments
from tropism.feedback.schemas import OUTCOMES, PREDICTIONS, feature_fields, outcomes_name, predictions_name
from tropism.monitoring.segments.masks import masks
from tropism.monitoring.tracking import LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.storage.lake import Lake

    Floats = NDArray[np.float64]

_ENOUGH = 2 * LEAST
_REACH = (10, 100, 1_000, 1_000_000)
"""How many periods back outcomes are looked for, one after the other, until there are enough."""
_AT = pa.schema([field for field in PREDICTIONS if field.name == "at"])
_RECEIVED = pa.schema([field for field in OUTCOMES if field.name in ("received", "value")])
_NOT_SERVED = pa.array([PINNED, "import"])
_COLUMNS = ("at", "version", "scores", "label", "label_at", "answered")


class _Span(NamedTuple):
    first: int
    last: int


class Labelled(NamedTuple):
    """`table`: matured predictions of a model with scores and labels. `baseline`: the best baseline's answers to them.
    `predicted`: every prediction made in that time, labelled or not. Features only where segments are declared."""

    table: pa.Table
    baseline: Floats | None
    predicted: pa.Table

    def where(self, task: Task, name: str) -> Labelled:
        """Those within a segment."""
        declared = task.monitoring.segments
        inside, made = (masks(task, one, declared).get(name) for one in (self.table, self.predicted))
        none = self.predicted.slice(0, 0)
        return Labelled(
            self.table.filter(pa.array(inside)),
            None if self.baseline is None else self.baseline[inside],
            none if made is None else self.predicted.filter(pa.array(made)),
        )


def labelled(lake: Lake, cohorts: Cohorts, task: Task, now: int, period: int) -> Labelled:
    """Matured predictions of the last periods (µs), as many as hold enough of them."""
    columns = None if task.monitoring.segments else _COLUMNS
    closed = now - task.window
    since, told = closed - period, None
    table = cohorts.matured(task, now=now, since=since, columns=columns).table
    for reach in _REACH:
        if table.num_rows >= _ENOUGH or (told is not None and since == told.first):
            break
        told = _told(lake, task, closed) if told is None else told
        since = min(max(closed - reach * period, told.first), since)
        table = cohorts.matured(task, now=now, since=since, until=told.last, columns=columns).table
    scored = pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0)
    made = pc.and_(scored, pc.greater(table["version"], 0))
    own = table.filter(made)
    return Labelled(
        own,
        _baseline(task, table, own, made.to_numpy()),
        _predicted(lake, task, max(since, closed - 100 * period), closed),
    )


def _predicted(lake: Lake, task: Task, since: int, closed: int) -> pa.Table:
    fields = [field for field in PREDICTIONS if field.name in ("at", "version", "variant")]
    schema = pa.schema([*fields, *(feature_fields(task.features) if task.monitoring.segments else [])])
    table = lake.read(predictions_name(task.name), schema=schema, since=since, until=closed + 1)
    return table.filter(pc.invert(pc.is_in(table["variant"], value_set=_NOT_SERVED)))


def _told(lake: Lake, task: Task, closed: int) -> _Span:
    """When the predictions were made that the last outcomes are of."""
    if task.assumed_label is not None:
        at = moments(lake.read(predictions_name(task.name), schema=_AT, until=closed + 1), "at")
        first, last = at, closed + 1
    else:
        name = outcomes_name(task.name)
        told = lake.read(name, schema=_RECEIVED, until=closed + 1, time="received")
        at = moments(told.filter(pc.is_valid(told["value"])), "received")
        first, last = at - task.window, int(at.max()) + EARLY_LIMIT + 1 if len(at) else closed
    if len(first) <= _ENOUGH:
        return _Span(int(first.min()) if len(first) else closed, last)
    return _Span(int(np.partition(first, len(first) - _ENOUGH)[len(first) - _ENOUGH]), last)


def _baseline(task: Task, table: pa.Table, made: pa.Table, kept: NDArray[np.bool_]) -> Floats | None:
    """What the baseline that did best would have answered, by what was known at each time."""
    if not made.num_rows:
        return None
    answers = reference_scores(task, table["label"].to_numpy(), moments(table, "at"), moments(table, "label_at"))
    labels = made["label"].to_numpy()
    means = {
        rule: float(np.nanmean(losses(task.metric_name, labels, scores[kept]))) for rule, scores in answers.items()
    }
    return answers[min(means, key=lambda rule: means[rule])][kept] if means else None
