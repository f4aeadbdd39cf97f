"""Answers rows with the best that works: what is served, the previous version, the baseline."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.serving.rows import Note
from tropism.serving.scores import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Value
    from tropism.serving.snapshot import Deployment, ServedModel

_log = logging.getLogger(__name__)
CHAMPION = "champion"
BASELINE = "baseline"


class Answer(NamedTuple):
    """Scores, one tuple a row, and what made them: version 0 is the baseline."""

    scores: list[tuple[float, ...]]
    version: int
    variant: str
    degraded: tuple[str, ...]
    model: ServedModel | None = None


class Predictor:
    """Falls back step by step; each step that was needed is named in `degraded`.

    `champion-failed` and `previous-failed`: the model raised, or gave impossible scores. `no-model`: the task
    has none yet. A model's failure is logged once for each version.
    """

    def __init__(self) -> None:
        self._reported: set[tuple[str, int]] = set()

    def answer(self, deployment: Deployment, rows: Sequence[dict[str, Value]], at: Sequence[int]) -> Answer:
        """Scores for rows that were checked, asked for `at` these moments in µs. Never raises what a model raises."""
        degraded = deployment.degraded
        served, previous = deployment.served, deployment.previous
        if served is None:
            degraded = (*degraded, "no-model")
        else:
            scores = self._scores(deployment, served, rows, at)
            if scores is not None:
                return Answer(scores, served.version, CHAMPION, degraded, served)
            degraded = (*degraded, "champion-failed")
        if previous is not None and (served is None or previous.version != served.version):
            scores = self._scores(deployment, previous, rows, at)
            if scores is not None:
                return Answer(scores, previous.version, CHAMPION, degraded, previous)
            degraded = (*degraded, "previous-failed")
        return Answer([deployment.baseline] * len(rows), 0, BASELINE, degraded)

    def _scores(
        self, deployment: Deployment, served: ServedModel, rows: Sequence[dict[str, Value]], at: Sequence[int]
    ) -> list[tuple[float, ...]] | None:
        try:
            return checked(deployment.task, served.model.predict_rows(rows, np.array(at, np.int64)), len(rows))
        except Exception:  # noqa: BLE001  a model may raise anything
            key = (deployment.task.name, served.version)
            if key not in self._reported:
                self._reported.add(key)
                _log.error(
                    "version %d of model '%s' failed to predict", served.version, deployment.task.name, exc_info=True
                )
            return None


def unseen(model: ServedModel | None, row: dict[str, Value]) -> list[Note]:
    """Notes on the categories of a row that the model never met in training."""
    if model is None:
        return []
    notes = []
    for name, known in model.categories.items():
        value = row.get(name)
        if value is not None and value not in known:
            text = f"{name}: category '{str(value)[:80]}' is not one that the model knows"
            notes.append(Note("unseen-category", name, text))
    return notes
