"""What a caller is told of a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.learners.explaining import Explanation
from tropism.serving.prediction_cache import CACHED
from tropism.serving.privacy import UNRECORDED
from tropism.serving.scores import prediction, probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Prediction
    from tropism.core.task import Task
    from tropism.serving.rows import Note


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction as it is sent. `probabilities` is absent for regression tasks.

    `recorded` is there, and false, only if the prediction was not recorded; `cached`, and true, only if its scores
    were kept from an equal row; `explanation` only if it was asked for, and there is one.
    """

    prediction_id: str
    prediction: bool | str | float
    probabilities: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    model: str
    version: int
    variant: str
    degraded: tuple[str, ...] = ()
    warnings: list[str] = []
    recorded: bool | msgspec.UnsetType = msgspec.UNSET
    cached: bool | msgspec.UnsetType = msgspec.UNSET
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET


class Replies(msgspec.Struct, frozen=True):
    """Predictions in the order of the instances."""

    predictions: list[Reply]


def reply_of(
    task: Task, event: Prediction, notes: Sequence[Note] = (), explanation: Explanation | None = None
) -> Reply:
    """The reply that tells of a prediction as it was made."""
    chances = probabilities(task, event.scores)
    return Reply(
        prediction_id=event.id,
        prediction=prediction(task, event.scores),
        probabilities=msgspec.UNSET if chances is None else chances,
        model=task.name,
        version=event.version,
        variant=event.variant,
        degraded=event.degraded,
        warnings=[note.text for note in notes],
        recorded=False if notes and any(note.kind == UNRECORDED for note in notes) else msgspec.UNSET,
        cached=True if notes and any(note.kind == CACHED for note in notes) else msgspec.UNSET,
        explanation=msgspec.UNSET if explanation is None else explanation,
    )
