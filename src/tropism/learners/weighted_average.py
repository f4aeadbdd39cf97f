"""The weighted mean of members' scores, with the weights that would have lost least out of sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tropism.learners.ensemble_combining import Average
from tropism.learners.ensemble_folds import HeldOut, out_of_sample
from tropism.learners.ensemble_learning import FOLDS, MEMBERS, MOST_FOLDS, EnsembleLearner, Plan, equal_parts
from tropism.learners.ensemble_losses import LEAST, row_losses, scores_told, targets
from tropism.learners.validation import whole

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Floats

NEGLIGIBLE = 1e-3
"""Members with a smaller weight are left out: each costs time in every prediction."""
_STEPS = 200
_FIRM = 1e4


class WeightedAverage(EnsembleLearner):
    """Weights of at least 0 that sum to 1 and minimise the task's loss on rows later than those learnt from.

    Squared losses by non-negative least squares (Lawson, Hanson, Solving Least Squares Problems, 1974), absolute
    ones by the same, reweighted, log loss by expectation maximisation over a mixture of the members. Equal weights
    and single members are tried too, and the best of all is taken. Without enough rows members count alike.
    """

    def __init__(self, *, members: str = MEMBERS, folds: int = FOLDS) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        super().__init__(members)
        self.folds = whole("folds", folds, 1, MOST_FOLDS)

    def _plan(self, data: Encoded, task: Task, seed: int) -> Plan:
        held = out_of_sample(self._recipes, data, task, self.folds, seed)
        if held is None:
            return equal_parts(len(self._recipes))
        with threadpool_limits(1, "blas"):
            weights = best_weights(task, held)
        weights = np.where(weights < NEGLIGIBLE, 0.0, weights)
        kept = np.flatnonzero(weights)
        weights = weights[kept] / weights[kept].sum()
        return Plan(tuple(kept.tolist()), Average(tuple(weights.tolist())))


def best_weights(task: Task, held: HeldOut) -> Floats:
    """Weights (members,), at least 0, that sum to 1 and lose least on the rows held out."""
    members = len(held.scores)
    fitted = _fit_log(task, held) if task.metric_name == "log_loss" else _fit_errors(task, held)
    tried = [fitted, np.full(members, 1 / members), *np.eye(members)]

    def loss(weights: Floats) -> float:
        mixed: Floats = np.tensordot(weights, np.array(held.scores), 1)
        return float(held.weights @ row_losses(task, held.labels, mixed))

    return min(tried, key=loss)


def _fit_errors(task: Task, held: HeldOut) -> Floats:
    """Least squares; for absolute errors again and again, each row divided by its last error."""
    goals = targets(task, held.labels)
    columns = np.stack([scores_told(task, scores).ravel() for scores in held.scores], axis=1)
    rows, wanted = np.repeat(held.weights, goals.shape[1]), goals.ravel()
    size = max(float(np.abs(columns).max()), float(np.abs(wanted).max()), np.finfo(np.float64).tiny)
    columns, wanted = columns / size, wanted / size
    found = _least_squares(columns, wanted, rows)
    if task.metric_name != "mae":
        return found
    floor = 1e-3 * float(np.abs(columns @ found - wanted).mean()) + np.finfo(np.float64).tiny
    for _ in range(_STEPS):
        before, errors = found, np.abs(columns @ found - wanted)
        found = _least_squares(columns, wanted, rows / np.maximum(errors, floor) * floor)
        if np.max(np.abs(found - before)) < NEGLIGIBLE / 10:
            break
    return found


def _least_squares(columns: Floats, wanted: Floats, rows: Floats) -> Floats:
    """Weights of at least 0 with the sum 1, asked for by one more row so heavy that it holds."""
    whole_system = np.sqrt(rows)[:, None] * np.concatenate([columns, wanted[:, None]], axis=1)
    small: Floats = np.asarray(np.linalg.qr(whole_system, mode="r"))
    firm = _FIRM * max(float(np.abs(small).max()), np.finfo(np.float64).tiny)
    members = columns.shape[1]
    left = np.vstack([small[:, :members], np.full(members, firm)])
    try:
        found = nnls(left, np.append(small[:, members], firm))[0]
    except RuntimeError:  # it went round in circles
        found = np.zeros(members)
    total = float(found.sum())
    return found / total if total > 0 else np.full(members, 1 / members)


def _fit_log(task: Task, held: HeldOut) -> Floats:
    hot = targets(task, held.labels)
    told = np.stack([np.sum(scores_told(task, scores) * hot, axis=1) for scores in held.scores], axis=1)
    told, rows = np.maximum(told, LEAST), held.weights / held.weights.sum()
    found = np.full(told.shape[1], 1 / told.shape[1])
    for _ in range(10 * _STEPS):
        before = found
        found = found * (told.T @ (rows / (told @ found)))
        if np.max(np.abs(found - before)) < NEGLIGIBLE / 100:
            break
    total: Floats = found / found.sum()
    return total
