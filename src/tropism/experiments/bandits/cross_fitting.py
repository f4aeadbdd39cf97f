"""Rewards of logged decisions predicted from other decisions, as the doubly robust estimate needs them.

Source: Chernozhukov and others, "Double/debiased machine learning for treatment and structural parameters" (The
Econometrics Journal 21, 2018), section 3: each fold is predicted by models of the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.bandits.weights import Logged

Floats = NDArray[np.float64]


def cross_fit(
    logged: Logged,
    contexts: ArrayLike,
    arms: int,
    *,
    folds: int = 5,
    ridge: float = 1.0,
    low: float = -np.inf,
    high: float = np.inf,
) -> Floats:
    """The reward of each of `arms` arms in each context, shape (n, arms), by a ridge regression for each arm.

    Args:
        contexts: shape (n, d), in the order of time, with a constant 1 for an intercept; each fold is a stretch of it.
        low: predictions are cut here, and at `high`.

    Raises:
        InvalidInput: shapes that do not match, contexts that are not finite, fewer than two folds or more than rows,
            or a ridge that is not positive.

    >>> logged = Logged([0, 1, 0, 1, 0, 1], [1.0, 0.0] * 3, [0.5] * 6)
    >>> cross_fit(logged, np.ones((6, 1)), 2, folds=3, ridge=1e-9).round(6)[0].tolist()
    [1.0, 0.0]
    """
    table, taken, rewards = _checked(logged, contexts)
    if not 2 <= folds <= len(table):
        raise InvalidInput("folds cannot be made", Fault("folds", str(folds), f"use a number from 2 to {len(table)}"))
    if not ridge > 0:
        raise InvalidInput("not a ridge", Fault("ridge", str(ridge), "use a positive number"))
    found, penalty = np.empty((len(table), arms)), ridge * np.eye(table.shape[1])
    for fold in np.array_split(np.arange(len(table)), folds):
        others = np.ones(len(table), dtype=bool)
        others[fold] = False
        for arm in range(arms):
            rows = others & (taken == arm)
            seen = table[rows]
            found[fold, arm] = table[fold] @ np.linalg.solve(seen.T @ seen + penalty, seen.T @ rewards[rows])
    return np.clip(found, low, high)


def _checked(logged: Logged, contexts: ArrayLike) -> tuple[Floats, NDArray[np.generic], Floats]:
    """Contexts, arms and rewards as arrays that fit together."""
    table, taken = np.asarray(contexts, dtype=np.float64), np.asarray(logged.arms)
    rewards = np.asarray(logged.rewards, dtype=np.float64)
    if table.ndim != 2 or taken.shape != (len(table),) or rewards.shape != taken.shape:
        fault = Fault("contexts", f"shape {table.shape}", f"give one row for each of {taken.size} decisions")
        raise InvalidInput("contexts do not match the log", fault)
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise InvalidInput("a context that is not finite", Fault(f"contexts[{row}]", str(table[row]), "leave it out"))
    return table, taken, rewards
