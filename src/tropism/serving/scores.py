"""What a model's scores must look like, and what they say to a caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import ArtifactRefused, Fault
from tropism.serving.rows import LARGEST

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Floats

THRESHOLD = 0.5
"""A binary prediction is true from this probability on."""
_SLACK = 1e-6
"""Rounding that a probability may be off by; it is then moved to 0 or 1."""


def checked(task: Task, scores: Floats, rows: int) -> list[tuple[float, ...]]:
    """Scores as tuples, one a row. Classes that were appended to the task after the training score 0.

    Raises:
        ArtifactRefused: the model gave a wrong number of scores, one that is not finite, or a probability
            outside 0..1.
    """
    width = len(task.classes) if task.kind == "multiclass" else 1
    if scores.ndim != 2 or len(scores) != rows or not min(width, 2) <= scores.shape[1] <= width:
        fix = f"a {task.kind} model must give {(rows, width)}"
        raise ArtifactRefused("the model's scores have a wrong shape", Fault("scores", str(scores.shape), fix))
    low, high = (-LARGEST, LARGEST) if task.kind == "regression" else (0.0, 1.0)
    appended = (0.0,) * (width - scores.shape[1])
    if not appended and rows and low <= scores.min() and scores.max() <= high:
        return [tuple(row) for row in scores.tolist()]
    found = []
    for row in scores.tolist():
        for score in row:
            if not low - _SLACK <= score <= high + _SLACK:
                fix = f"a {task.kind} model must give numbers from {low:g} to {high:g}"
                raise ArtifactRefused("the model gave an impossible score", Fault("scores", repr(score), fix))
        found.append((*(min(max(score, low), high) for score in row), *appended))
    return found


def prediction(task: Task, scores: tuple[float, ...]) -> bool | str | float:
    """The prediction in the user's own terms: true or false, a class, or a number.

    >>> from tropism.core.task import Feature, Task
    >>> colour = Task(name="c", kind="multiclass", target="y", features=(Feature("a"),), classes=("red", "blue"))
    >>> prediction(colour, (0.2, 0.8)), probabilities(colour, (0.2, 0.8))
    ('blue', {'red': 0.2, 'blue': 0.8})
    """
    if task.kind == "binary":
        return scores[0] >= THRESHOLD
    if task.kind == "multiclass":
        return task.classes[scores.index(max(scores))]
    return scores[0]


def probabilities(task: Task, scores: tuple[float, ...]) -> dict[str, float] | None:
    """The probability of each answer; None for a regression task."""
    if task.kind == "binary":
        return {"false": 1.0 - scores[0], "true": scores[0]}
    if task.kind == "multiclass":
        return dict(zip(task.classes, scores, strict=True))
    return None
