"""Stacking: a linear or logistic model learns from the members' scores of rows later than those they learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import DataInvalid
from tropism.learners.affine import Affine
from tropism.learners.base import Encoded
from tropism.learners.ensemble_combining import Stack, said
from tropism.learners.ensemble_folds import HeldOut, out_of_sample
from tropism.learners.ensemble_learning import FOLDS, MEMBERS, MOST_FOLDS, EnsembleLearner, Plan, equal_parts
from tropism.learners.linear import Linear
from tropism.learners.validation import real, whole

if TYPE_CHECKING:
    from tropism.core.task import Task


class Stacking(EnsembleLearner):
    """Unlike an average it may undo what members get wrong together: a bias, a scale, too much certainty.

    `l2`: penalty on the squared weights, for standardised scores. Without enough rows members count alike.
    """

    def __init__(self, *, members: str = MEMBERS, folds: int = FOLDS, l2: float = 1.0) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        super().__init__(members)
        self.folds = whole("folds", folds, 1, MOST_FOLDS)
        self.l2 = real("l2", l2, 1e-9, 1e9)

    def _plan(self, data: Encoded, task: Task, seed: int) -> Plan:
        plan = equal_parts(len(self._recipes))
        held = out_of_sample(self._recipes, data, task, self.folds, seed)
        if held is None:
            return plan
        try:
            return plan._replace(combination=fit_stack(task, held, self.l2))
        except DataInvalid:  # one class in the rows held out
            return plan


def fit_stack(task: Task, held: HeldOut, l2: float) -> Stack:
    """A stack fitted on rows held out. Raises `DataInvalid` when they hold one class only."""
    read = said(task.kind, held.scores)
    size = max(float(np.abs(read).max()), np.finfo(np.float64).tiny)
    mean, scale = (read / size).mean(axis=0) * size, (read / size).std(axis=0) * size
    scale = np.where(scale > 1e-12 * size, scale, 1.0)
    at = np.zeros(len(read), np.int64)
    fitted = Linear(l2=l2).fit(Encoded((read - mean) / scale, held.labels, at, held.weights), task)
    assert isinstance(fitted, Affine)
    weights = fitted.weights / scale
    intercept = fitted.intercept - weights @ mean
    return Stack(tuple(map(tuple, weights.tolist())), tuple(intercept.tolist()))
