"""Scores parts with one version of a model. The same code in a process of this machine and in a task of Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import ArtifactRefused, Fault, TropismError
from tropism.entrypoints.scoring.journaling import Recorded, records_of
from tropism.entrypoints.scoring.outputs import part_bytes
from tropism.entrypoints.scoring.parts import ScoredPart
from tropism.entrypoints.scoring.plan import VARIANT
from tropism.entrypoints.scoring.reading_lines import read_lines
from tropism.entrypoints.scoring.reading_tables import read_table
from tropism.learners.artifact import load
from tropism.serving.tabular.columns import default_rows
from tropism.serving.tabular.results import result_table, settled

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.entrypoints.scoring.parts import Part
    from tropism.entrypoints.scoring.plan import Plan
    from tropism.learners.artifact import BlobStore
    from tropism.learners.base import Floats, Times
    from tropism.learners.model import Model


class Scorer:
    """A plan with its model in memory.

    Raises:
        NotFound, ArtifactTampered, ArtifactRefused: the model cannot be loaded.
    """

    def __init__(self, plan: Plan, blobs: BlobStore) -> None:
        self._plan = plan
        self._model = load(plan.artifact, blobs)
        self._width = len(plan.task.classes) if plan.task.kind == "multiclass" else 1

    def score(self, part: Part) -> ScoredPart:
        """What became of a part. What is wrong with it, or with the model, is its `problem`; nothing is raised."""
        try:
            return self._score(part)
        except TropismError as error:
            return ScoredPart.failed(part, error)
        except Exception as error:  # noqa: BLE001  whoever waits for this part gets an answer
            fault = Fault(f"rows {part.first} to {part.last}", _told(error), "this is a defect of Tropism: report it")
            return ScoredPart.failed(part, TropismError("a part could not be scored", fault))

    def _score(self, part: Part) -> ScoredPart:
        plan = self._plan
        rows = read_lines(plan, part) if plan.source.form == "json-lines" else read_table(plan, part)
        at = _moments(rows.table, plan)
        scores = self._scores(rows.table, at, part)
        recorded = records_of(plan, rows, scores, at) if plan.journal else Recorded()
        table = result_table(
            plan.task, scores, version=plan.version, variant=VARIANT, ids=recorded.ids, beside=rows.beside
        )
        return ScoredPart(
            index=part.index,
            first=part.first,
            last=part.last,
            share=part.share,
            rows=table.num_rows,
            bad=rows.bad,
            output=part_bytes(table, plan.output),
            refused=rows.refused,
            records=recorded.records,
            notes=_notes(plan.task, rows.table, self._model),
        )

    def _scores(self, table: pa.Table, at: Times, part: Part) -> Floats:
        if table.num_rows == 0:
            return np.zeros((0, self._width))
        try:
            found = self._model.predict(table, at)
        except TropismError:
            raise
        except Exception as error:
            fix = "score with another version, or train again"
            fault = Fault(f"rows {part.first} to {part.last}", _told(error), fix)
            raise ArtifactRefused("the model failed", fault) from error
        return settled(self._plan.task, found, table.num_rows)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _moments(table: pa.Table, plan: Plan) -> Times:
    """When each row is for, µs (n,)."""
    if "at" not in plan.layout.carried:
        return np.full(table.num_rows, plan.begun, np.int64)
    given = table.column("at").cast(pa.int64()).fill_null(plan.begun)
    return np.asarray(given.to_numpy(), np.int64)


def _notes(task: Task, table: pa.Table, model: Model) -> dict[str, int]:
    """How many rows have what a caller of `/predict` is warned of, by the warning."""
    notes = {}
    known = {one.name: one.categories for one in model.encoding.facts.columns if one.type == "category"}
    for feature in task.features:
        name, column = feature.name, table.column(feature.name)
        used = default_rows(table, name)
        notes[f"{name}: not in the file, its default was used"] = len(used)
        if not used:
            notes[f"{name}: the value is missing"] = column.null_count
        if name in known:
            met = pc.is_in(column, value_set=pa.array(known[name], pa.string()))
            unseen = pc.sum(pc.and_(pc.invert(met), column.is_valid())).as_py()
            notes[f"{name}: a category that the model does not know"] = unseen or 0
    return {text: count for text, count in notes.items() if count}
