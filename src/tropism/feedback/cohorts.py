"""Predictions with the outcomes they got: matured cohorts for decisions, everything known for training.

A task's outcome window begins when a prediction is made. What the words mean, here and in the counts:

in time     received no later than `at + window` of its prediction; the end of the window itself counts
matured     the window of the prediction has closed: nothing that comes now changes its label in decisions
answered    at least one outcome came in time. The label is the last of those, by time of receipt
unanswered  the window closed without an outcome in time. The label is the one the task assumes, or the prediction
            is left out
waiting     no outcome yet, and the window is open
late        an outcome received after its prediction's window closed. Training uses it, decisions never do
corrected   a further outcome in time, with another value than the one before it. It replaces that one
duplicate   an outcome with an id that came before, or a further one in time with the same value. Changes nothing
early       an outcome in time that was received before its prediction was made, by the clocks of two machines, or
            because somebody knew the id in advance. It counts, up to one hour early
unknown     an outcome that belongs to no prediction in the lake: one never made, made more than an hour after the
            outcome, or not ingested yet. It joins when its prediction arrives

Predictions that a caller pinned to a version are in the lake, and in no cohort: whoever asks an old version what it
would have said must not be heard as the users of the live one are, nor take an entity's outcome from it. An outcome
for one of them is unknown.

An outcome may tell figures by name, its `values`, beside a label or alone. What tells no label answers nothing and is
in none of these counts. A figure of a prediction is the last one told in time, each name for itself.

A prediction recorded twice under one id counts once, as first recorded. Outcomes belong to the prediction they
name, or to the latest one of their entity made at or up to `window` before the outcome's `at`.

Labels are complete only for what was ingested: let `now` be no later than the moment when the journal was last
found empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.events import PINNED
from tropism.feedback.counts import OutcomeCounts, count
from tropism.feedback.joining import (
    EARLY_LIMIT,
    Answers,
    distinct_predictions,
    join_answers,
    moments,
    names_entity_only,
)
from tropism.feedback.schemas import (
    MOMENT,
    OUTCOMES,
    PREDICTIONS,
    SERVICE,
    SERVICE_NAME,
    feature_fields,
    outcomes_name,
    predictions_name,
    told_name,
)
from tropism.storage.lake.versions import TableVersion

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.storage.lake import Lake

_KEYS = ("id", "at", "entity", "writer", "seq")
_PLAIN = ("id", "at", "entity", "version", "variant", "scores")
_LABEL = ("label", "label_at", "answered")
_APART = {"unit", "degraded", "served", "propensity"}
"""Columns of predictions that are read only where they are asked for."""


class LakeVersions(msgspec.Struct, frozen=True):
    """The states of the two tables that rows were read from. Kept with a decision, they give the same rows again."""

    predictions: TableVersion
    outcomes: TableVersion


class Matured(NamedTuple):
    """Labelled predictions, ordered by `at`, then `id`.

    `table`: id, at, entity, version, variant, scores (empty for imported rows), `f_<name>` for each feature of the
    task (null where it was not sent or did not exist yet), label, label_at, answered. `label_at`: when the label
    became known: the outcome's receipt, or the end of the window when it was assumed.
    `lake`: what it was read from. `watermark`: the newest `at` (µs) that can be in it.
    """

    table: pa.Table
    lake: LakeVersions
    watermark: int


class Cohorts:
    """Reads labelled predictions from the lake. Safe in any thread."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def versions(self, task: str) -> LakeVersions:
        """The newest states of a task's tables."""
        # Outcomes first: one that is in this state has had its prediction ingested before it, or is unknown.
        outcomes = self._lake.state(outcomes_name(task))
        return LakeVersions(predictions=self._lake.state(predictions_name(task)), outcomes=outcomes)

    def matured(
        self,
        task: Task,
        *,
        now: int,
        since: int | None = None,
        until: int | None = None,
        versions: LakeVersions | None = None,
        models: Collection[int] | None = None,
        columns: Collection[str] | None = None,
        told: Collection[str] | None = None,
    ) -> Matured:
        """Predictions made in `since` <= `at` < `until` (µs) whose window has closed by `now`, with their labels.

        `versions`: states to read, the newest by default; the same states and arguments give the same table.
        `models`: versions of the model that made the predictions. `columns`: columns of the table to return.
        `told`: names of figures that outcomes carry; the table then has a column `v_<name>` of each, null where none
        came in time, and predictions without a label are in it too, with a label of NaN.

        Raises:
            NotFound: the state is not kept any more.
        """
        lake, window = versions or self.versions(task.name), task.window
        stop = now - window + 1 if until is None else min(until, now - window + 1)
        predictions = self._predictions(task, lake, since, stop, columns)
        outcomes = self._outcomes(task, lake, since, stop + window, told=told)
        later = None
        if window and names_entity_only(outcomes).any():
            later = self._predictions(task, lake, stop, stop + window, ())
        joined = join_answers(predictions, outcomes, window, later, told or ())
        answers, deadline = joined.labels(), moments(predictions, "at") + window
        closed = np.ones(len(deadline), dtype=np.bool_)
        labelled = _labelled(task, predictions, answers, _in_time(answers, deadline), closed, every=told is not None)
        for name, figures in joined.told.items():
            labelled = labelled.append_column(told_name(name), _last(figures, joined, deadline))
        columns = columns if columns is None or told is None else [*columns, *map(told_name, told)]
        return Matured(_chosen(task, labelled, models, columns), lake, now - window)

    def known(
        self,
        task: Task,
        *,
        now: int,
        since: int | None = None,
        versions: LakeVersions | None = None,
        columns: Collection[str] | None = None,
    ) -> Matured:
        """Everything that can be learnt from by `now`: each prediction since `since` (µs) with a label.

        The label is the last outcome received by `now`, late or not, whether the window is open or closed. A
        label is assumed only once the window has closed.

        Raises:
            NotFound: the state is not kept any more.
        """
        lake, window = versions or self.versions(task.name), task.window
        predictions = self._predictions(task, lake, since, now + 1, columns)
        outcomes = self._outcomes(task, lake, since, now + 1)
        answers = join_answers(predictions, outcomes, window).labels()
        closed = moments(predictions, "at") + window <= now
        labelled = _labelled(task, predictions, answers, answers.rows >= 0, closed)
        return Matured(_chosen(task, labelled, None, columns), lake, now)

    def waiting(self, task: Task, now: int) -> bool:
        """Whether there are predictions whose window is open: they will mature without anything new arriving."""
        name = predictions_name(task.name)
        schema = pa.schema([field for field in PREDICTIONS if field.name == "at"])
        return bool(self._lake.read(name, schema=schema, since=now - task.window + 1).num_rows)

    def counts(self, task: Task, now: int) -> OutcomeCounts:
        """What became of the predictions made, and of the outcomes received, by `now` (µs)."""
        lake = self.versions(task.name)
        predictions = self._predictions(task, lake, None, now + 1, ())
        answers = join_answers(predictions, self._outcomes(task, lake, None, now + 1), task.window).labels()
        return count(moments(predictions, "at"), answers, task.window, now)

    def measured(self, start: int, end: int, columns: Collection[str]) -> pa.Table:
        """What data planes measured in `start` <= `at` < `end` (µs): these columns of `schemas.SERVICE`."""
        schema = pa.schema([field for field in SERVICE if field.name in columns])
        return self._lake.read(SERVICE_NAME, schema=schema, since=start, until=end)

    def _predictions(
        self, task: Task, lake: LakeVersions, since: int | None, until: int, columns: Collection[str] | None
    ) -> pa.Table:
        fields = [*PREDICTIONS, *feature_fields(task.features)]
        wanted = {*_KEYS, "version", "variant"} | (
            {field.name for field in fields} if columns is None else set(columns)
        )
        if columns is None:
            wanted -= _APART
        schema = pa.schema([field for field in fields if field.name in wanted])
        name = predictions_name(task.name)
        table = self._lake.read(name, schema=schema, since=since, until=until, version=lake.predictions)
        return distinct_predictions(_unpinned(table))

    def _outcomes(
        self,
        task: Task,
        lake: LakeVersions,
        since: int | None,
        until: int,
        told: Collection[str] | None = None,
    ) -> pa.Table:
        earliest = None if since is None else since - EARLY_LIMIT
        schema = OUTCOMES if told else pa.schema([field for field in OUTCOMES if field.name != "values"])
        name = outcomes_name(task.name)
        return self._lake.read(name, schema=schema, since=earliest, until=until, time="received", version=lake.outcomes)


def _unpinned(table: pa.Table) -> pa.Table:
    pinned = pc.fill_null(pc.equal(table["variant"], PINNED), fill_value=False)
    return table.filter(pc.invert(pinned)) if pc.any(pinned).as_py() else table


def _in_time(answers: Answers, deadline: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which outcomes belong to a prediction, and were received before its window closed."""
    counts = answers.rows >= 0
    counts[counts] = answers.received[counts] <= deadline[answers.rows[counts]]
    return counts


def _last(figures: NDArray[np.float64], joined: Answers, deadline: NDArray[np.int64]) -> pa.Array:
    """Of each prediction the last figure told in time; null where there is none."""
    found = np.full(len(deadline), np.nan)
    counts = _in_time(joined, deadline) & ~joined.repeated & ~np.isnan(figures)
    # In order of receipt: where several belong to one row, the last assignment stays.
    found[joined.rows[counts]] = figures[counts]
    return pa.array(found, from_pandas=True)


def _labelled(
    task: Task,
    predictions: pa.Table,
    answers: Answers,
    counts: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    *,
    every: bool = False,
) -> pa.Table:
    """Predictions that have a label by the outcomes that count, or by the task's assumption once closed; with `every`
    those without one too."""
    assumed = task.assumed_label
    label = np.full(predictions.num_rows, np.nan if assumed is None else assumed)
    label_at = moments(predictions, "at") + task.window
    answered = np.zeros(predictions.num_rows, dtype=np.bool_)
    rows = answers.rows[counts & ~answers.repeated]
    # Outcomes are in order of receipt; where several belong to one row, the last assignment stays.
    label[rows] = answers.values[counts & ~answers.repeated]
    label_at[rows] = answers.received[counts & ~answers.repeated]
    answered[rows] = True
    table = predictions
    for name, column in zip(_LABEL, (label, pa.array(label_at).cast(MOMENT), answered), strict=True):
        table = table.append_column(name, pa.array(column))
    keep = answered if assumed is None else answered | closed
    return table if every or keep.all() else table.filter(pa.array(keep))


def _chosen(task: Task, table: pa.Table, models: Collection[int] | None, columns: Collection[str] | None) -> pa.Table:
    if models is not None:
        wanted = np.isin(table["version"].to_numpy(), np.fromiter(models, dtype=np.int64))
        table = table.filter(pa.array(wanted))
    figures = [name for name in table.column_names if name.startswith("v_")]
    names = [*_PLAIN, *(f"f_{name}" for name in task.feature_names), *_LABEL, *figures]
    if columns is None:
        return table.select(names)
    return table.select([name for name in (*names, *sorted(_APART)) if name in columns])
