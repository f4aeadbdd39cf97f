"""Linear models with an L2 penalty: logistic and multinomial regression by L-BFGS, ridge regression in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tropism.core.errors import Fault, TrainingFailed
from tropism.learners.affine import Affine
from tropism.learners.base import Learner, Style
from tropism.learners.validation import real, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator, Floats


class Linear(Learner):
    """Minimises the weighted sum of losses plus `l2` / 2 times the squared weights; intercepts go free.

    Loss: log loss for classes, half the squared error for numbers. One uniform pseudo-row at the mean of the
    features is added for classes, so that a class without rows keeps a finite, small probability.
    Solver: Byrd, Lu, Nocedal, Zhu, A Limited Memory Algorithm for Bound Constrained Optimization, 1995.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})
    style: ClassVar[Style] = "standard"

    def __init__(self, *, l2: float = 1.0, max_iterations: int = 500) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        self.l2 = real("l2", l2, 1e-9, 1e9)
        self.max_iterations = whole("max_iterations", max_iterations, 1, 100_000)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:  # noqa: ARG002 - the optimum needs no chance
        row_weights = np.ones(len(data.labels)) if data.weights is None else data.weights
        # One thread: equal sums every time, and matrices this thin are slower on several (30 times on a busy machine).
        with threadpool_limits(1, "blas"):
            if task.kind == "regression":
                weights, intercept = _ridge(data.matrix, data.labels, row_weights, self.l2)
            else:
                outputs = len(task.classes) if task.kind == "multiclass" else 1
                weights, intercept = self._classify(data.matrix, data.labels, row_weights, outputs)
        if not (np.all(np.isfinite(weights)) and np.all(np.isfinite(intercept))):
            fix = "rescale the target or raise l2"
            raise TrainingFailed(f"the linear model of '{task.name}' did not stay finite", Fault(task.target, "", fix))
        return Affine(task.kind, weights, intercept)

    def _classify(self, matrix: Floats, labels: Floats, rows: Floats, outputs: int) -> tuple[Floats, Floats]:
        classes = max(outputs, 2)
        matrix = np.vstack([matrix, np.zeros((classes, matrix.shape[1]))])
        hot = np.vstack([np.eye(classes)[labels.astype(np.int64)], np.eye(classes)])
        rows = np.concatenate([rows, np.full(classes, 1.0 / classes)])
        if outputs == 1:
            objective = _binary_loss(matrix, hot[:, 1:], rows, self.l2)
        else:
            objective = _multinomial_loss(matrix, hot, rows, self.l2)
        start = np.zeros(outputs * (matrix.shape[1] + 1))
        options = {"maxiter": self.max_iterations, "gtol": 1e-7, "ftol": 1e-13}
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x.reshape(outputs, -1)
        return found[:, 1:].copy(), found[:, 0].copy()


def _binary_loss(matrix: Floats, labels: Floats, rows: Floats, l2: float) -> Callable[[Floats], tuple[float, Floats]]:
    """Mean log loss and its gradient; the first parameter is the intercept."""
    total, y = rows.sum(), labels[:, 0]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] + matrix @ parameters[1:]
        loss = rows @ (np.logaddexp(0.0, z) - y * z) + l2 / 2 * parameters[1:] @ parameters[1:]
        residual = rows * (expit(z) - y)
        gradient = np.concatenate([[residual.sum()], matrix.T @ residual + l2 * parameters[1:]])
        return float(loss / total), gradient / total

    return objective


def _multinomial_loss(matrix: Floats, hot: Floats, rows: Floats, l2: float) -> Callable[[Floats], tuple[float, Floats]]:
    """Mean log loss and its gradient; parameters are (classes, 1 + width), flattened."""
    total, classes = rows.sum(), hot.shape[1]

    def objective(flat: Floats) -> tuple[float, Floats]:
        parameters = flat.reshape(classes, -1)
        weights = parameters[:, 1:]
        z = parameters[:, 0] + matrix @ weights.T
        norm = logsumexp(z, axis=1, keepdims=True)
        loss = rows @ (norm - (hot * z).sum(axis=1, keepdims=True))[:, 0] + l2 / 2 * np.sum(weights**2)
        residual = rows[:, None] * (np.exp(z - norm) - hot)
        gradient = np.hstack([residual.sum(axis=0)[:, None], residual.T @ matrix + l2 * weights])
        return float(loss / total), gradient.ravel() / total

    return objective


def _ridge(matrix: Floats, labels: Floats, rows: Floats, l2: float) -> tuple[Floats, Floats]:
    share = rows / rows.sum()
    size = max(float(np.max(np.abs(labels))), np.finfo(np.float64).tiny)
    target = labels / size  # so that squares of huge targets stay in range
    center, mean = share @ matrix, share @ target
    shifted = matrix - center
    gram = (shifted * rows[:, None]).T @ shifted
    weights = np.linalg.solve(gram + l2 * np.eye(len(gram)), shifted.T @ (rows * (target - mean)))
    with np.errstate(over="ignore", invalid="ignore"):
        return weights[None, :] * size, np.array([(mean - center @ weights) * size])
