"""The baselines that a model of a task is always shown beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.evaluation.baselines import History, Times, reference

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.evaluation.losses import Floats


def reference_scores(task: Task, labels: Floats, at: Times, known_at: Times) -> dict[str, Floats]:
    """Scores (n, outputs) of each baseline, by name, each made from labels known at the time only.

    Parameters: `labels` (n,), `at` (n,) µs of prediction, `known_at` (n,) µs at which the label became known.

    >>> import numpy as np
    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="t", kind="regression", target="y", features=(Feature("a"),))
    >>> at = np.array([0, 10, 20])
    >>> reference_scores(task, np.array([1.0, 3.0, 8.0]), at, at + 5)["last-label"].ravel().tolist()
    [0.0, 1.0, 3.0]
    """
    history = History(task.kind, max(len(task.classes), 1), at, known_at, labels)
    return {name: reference(name, history) for name in (served_baseline(task), "last-label")}


def served_baseline(task: Task) -> str:
    """The baseline that answers while a task has no model: it needs nothing but the labels' mean or shares."""
    return "mean" if task.kind == "regression" else "majority"
