"""What is known of each arm: a linear model of its reward in the context, or its mean reward alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tropism.experiments.bandits.reading import Rewards
from tropism.experiments.bandits.settings import Settings
from tropism.experiments.bandits.statistics import State, Statistics, Sums, pack, unpack, zeros

Floats = NDArray[np.float64]
REFRESH = 1_000
"""Updates of an arm's inverse after which it is computed anew from the sums, so that rounding cannot pile up."""


class MeanArms:
    """Count and sum of the rewards of each arm; no contexts."""

    def __init__(self, settings: Settings, state: State | None) -> None:
        self._high = settings.high
        self._sums = zeros(settings.arms, 0) if state is None else unpack(state)

    @property
    def count(self) -> NDArray[np.int64]:
        """Rewards of each arm, shape (k,)."""
        return self._sums.count

    @property
    def total(self) -> Floats:
        """Their sums, shape (k,)."""
        return self._sums.moment

    def means(self, context: Floats) -> Floats:  # noqa: ARG002 - there are none
        """Mean reward of each arm, shape (k,); the highest there is for an arm without any, so that it is tried."""
        return np.where(self.count > 0, self.total / np.maximum(self.count, 1), self._high)

    def learn(self, arm: int, context: Floats, reward: float) -> None:  # noqa: ARG002 - there are none
        self._sums.count[arm] += 1
        self._sums.moment[arm] += reward

    def learn_many(self, given: Rewards) -> None:
        np.add.at(self._sums.count, given.arms, 1)
        np.add.at(self._sums.moment, given.arms, given.rewards)

    def statistics(self) -> Statistics:
        return pack(self._sums)


class LinearArms:
    """A ridge regression for each arm, of its rewards on its contexts.

    The inverses of all arms' matrices lie in one array (k, d, d). One reward changes one of them by its rank-one
    update (Sherman and Morrison, 1950), in d^2 steps; many at once have it computed from the sums.
    """

    def __init__(self, settings: Settings, ridge: float, state: State | None) -> None:
        arms, features = settings.arms, settings.features
        self._sums: Sums = zeros(arms, features) if state is None else unpack(state)
        self._penalty = ridge * np.eye(features)
        self._inverse = np.empty((arms, features, features))
        self._weights = np.empty((arms, features))
        self._updates = np.zeros(arms, dtype=np.int64)
        self._scratch = np.empty((features, features))
        for arm in range(arms):
            self._compute(arm)

    def means(self, context: Floats) -> Floats:
        """Estimated reward of each arm, shape (k,)."""
        found: Floats = self._weights.dot(context)
        return found

    def variances(self, context: Floats) -> Floats:
        """x' A^-1 x of each arm, shape (k,): the variance of its estimate in units of the rewards' noise."""
        # One small product per arm: BLAS would spread a single large one over threads, which costs more than it saves.
        found: Floats = np.matmul(self._inverse, context).dot(context)
        return np.maximum(found, 0.0, out=found)

    def learn(self, arm: int, context: Floats, reward: float) -> None:
        inverse, weights, scratch = self._inverse[arm], self._weights[arm], self._scratch
        self._sums.count[arm] += 1
        self._sums.moment[arm] += reward * context
        self._sums.gram[arm] += np.multiply(context[:, None], context, out=scratch)
        self._updates[arm] += 1
        if self._updates[arm] >= REFRESH:
            self._compute(arm)
            return
        moved = inverse.dot(context)
        scale = 1.0 / (1.0 + float(moved.dot(context)))
        weights += moved * (scale * (reward - float(weights.dot(context))))
        inverse -= np.multiply(moved[:, None], moved * scale, out=scratch)

    def learn_many(self, given: Rewards) -> None:
        assert given.contexts is not None
        for arm in np.unique(given.arms).tolist():
            rows = given.arms == arm
            contexts = given.contexts[rows]
            self._sums.count[arm] += len(contexts)
            self._sums.moment[arm] += contexts.T @ given.rewards[rows]
            self._sums.gram[arm] += contexts.T @ contexts
            self._compute(arm)

    def statistics(self) -> Statistics:
        return pack(self._sums)

    def _compute(self, arm: int) -> None:
        inverse = np.linalg.inv(self._sums.gram[arm] + self._penalty)
        self._inverse[arm] = (inverse + inverse.T) / 2
        self._weights[arm] = self._inverse[arm] @ self._sums.moment[arm]
        self._updates[arm] = 0
