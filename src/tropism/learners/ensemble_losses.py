"""The loss that a combination is fitted to: the task's metric, of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Floats

LEAST = 1e-6
"""As in `evaluation.losses`: log loss takes probabilities no closer to 0 and 1."""


def row_losses(task: Task, labels: Floats, scores: Floats) -> Floats:
    """Loss (n,) of scores (n, outputs). Accuracy is judged by the Brier score: right or wrong says little a row."""
    if task.metric_name == "log_loss":
        told: Floats = np.clip(np.sum(scores_told(task, scores) * targets(task, labels), axis=1), LEAST, 1.0 - LEAST)
        return -np.log(told)
    if task.metric_name == "mae":
        return np.abs(scores[:, 0] - labels)
    if task.kind == "binary":
        return (scores[:, 0] - labels) ** 2
    errors: Floats = np.sum((scores - targets(task, labels)) ** 2, axis=1)
    return errors


def scores_told(task: Task, scores: Floats) -> Floats:
    """Scores with a column for each class (n, classes), for binary tasks too."""
    return np.concatenate([1.0 - scores, scores], axis=1) if task.kind == "binary" else scores


def targets(task: Task, labels: Floats) -> Floats:
    """What perfect scores would be: the number (n, 1), or a one in the column of the class (n, classes)."""
    if task.kind == "regression":
        return labels[:, None]
    hot: Floats = np.eye(max(2, len(task.classes)))[labels.astype(np.int64)]
    return hot
