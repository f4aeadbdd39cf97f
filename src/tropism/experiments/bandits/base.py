"""What every bandit policy does: choose an arm, say with which probability it did, and learn from rewards."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.experiments.bandits.settings import Settings
from tropism.experiments.bandits.statistics import State

FloatArray = NDArray[np.float64]


class Choice(NamedTuple):
    """One decision. `propensity`: the probability with which this arm was chosen in this context; log it now, since
    it cannot be computed again once the policy has learned more. `scores`: what each arm was judged at, shape (k,):
    LinUCB's upper bounds, elsewhere the estimated mean reward."""

    arm: int
    propensity: float
    scores: FloatArray


class Policy(Protocol):
    """Chooses between `settings.arms` arms. Arms are numbered from 0.

    What it learned is a sum over rewards, so they may come days after their decisions, in any order, and one at a
    time or together. A policy is not safe to share between threads of which one learns: publish its `state`, and let
    every process decide with a policy of its own.
    """

    @property
    def settings(self) -> Settings: ...

    def choose(self, context: FloatArray | None, rng: np.random.Generator) -> Choice:
        """Chooses an arm for a context of shape (features,); None for a policy without features.

        Raises:
            InvalidInput: a context of another length, or one that is not finite.
        """
        ...

    def propensities(self, context: FloatArray | None) -> FloatArray:
        """The probability of each arm in this context, shape (k,): what `choose` draws from. Raises as `choose`."""
        ...

    def learn(self, arm: int, context: FloatArray | None, reward: float) -> None:
        """Takes in the reward of a decision.

        Raises:
            InvalidInput: no such arm, a context as in `choose`, or a reward beyond the bounds of the settings.
        """
        ...

    def learn_many(self, arms: ArrayLike, contexts: FloatArray | None, rewards: ArrayLike) -> None:
        """Takes in rewards of n decisions in any order: shapes (n,), (n, features) and (n,). All or none of them.

        Raises:
            InvalidInput: as `learn`, naming the first row that is wrong.
        """
        ...

    def state(self) -> State:
        """Settings and everything learned, to be stored or published."""
        ...
