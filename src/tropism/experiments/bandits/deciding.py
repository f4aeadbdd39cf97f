"""What the policies have in common: each turns a context into scores and probabilities; the arm is drawn from these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.experiments.bandits.base import Choice, FloatArray
from tropism.experiments.bandits.reading import Rewards, read_arm, read_context, read_many, read_reward
from tropism.experiments.bandits.settings import AnySettings
from tropism.experiments.bandits.statistics import State, Statistics


class Judged(NamedTuple):
    """`scores`, `chances`: of each arm, shape (k,); the chances add up to 1."""

    scores: FloatArray
    chances: FloatArray


class Arms(Protocol):
    """What is known of the arms; see `arms`."""

    def learn(self, arm: int, context: FloatArray, reward: float) -> None: ...

    def learn_many(self, given: Rewards) -> None: ...

    def statistics(self) -> Statistics: ...


class Deciding(ABC):
    """A `Policy`. A subclass says how it judges a context."""

    WHOLE: ClassVar[bool] = False
    """Whether rewards must be 0 or 1."""

    def __init__(self, settings: AnySettings, arms: Arms) -> None:
        self._settings, self._arms = settings, arms
        self._kept: Judged | None = None

    @property
    def settings(self) -> AnySettings:
        return self._settings

    @abstractmethod
    def _judge(self, context: FloatArray) -> Judged:
        """For a context that has been checked."""

    def choose(self, context: FloatArray | None, rng: np.random.Generator) -> Choice:
        judged = self._judged(context)
        arm = drawn(judged.chances, rng)
        return Choice(arm, float(judged.chances[arm]), judged.scores)

    def propensities(self, context: FloatArray | None) -> FloatArray:
        return self._judged(context).chances

    def learn(self, arm: int, context: FloatArray | None, reward: float) -> None:
        settings = self._settings
        place, value = read_arm(arm, settings.arms), read_reward(reward, settings, self.WHOLE)
        self._arms.learn(place, read_context(context, settings.features), value)
        self._kept = None

    def learn_many(self, arms: ArrayLike, contexts: FloatArray | None, rewards: ArrayLike) -> None:
        self._arms.learn_many(read_many(arms, contexts, rewards, self._settings, self.WHOLE))
        self._kept = None

    def state(self) -> State:
        return State(settings=self._settings, statistics=self._arms.statistics())

    def _judged(self, context: FloatArray | None) -> Judged:
        """Without contexts, nothing changes between two rewards: what was found is kept until then."""
        known = read_context(context, self._settings.features)
        if self._settings.features:
            return self._judge(known)
        if self._kept is None:
            self._kept = self._judge(known)
            for array in self._kept:
                array.setflags(write=False)
        return self._kept


def drawn(chances: FloatArray, rng: np.random.Generator) -> int:
    """An arm with these chances; never one whose chance is 0."""
    left = rng.random()
    for arm, chance in enumerate(chances.tolist()):
        left -= chance
        if left < 0:
            return arm
    return int(chances.argmax())


def mixed(chances: FloatArray, explore: float) -> FloatArray:
    """`explore` of the chances shared out evenly; the rest as they are."""
    return chances if explore == 0 else chances + explore * (1 / len(chances) - chances)


def greedy(scores: NDArray[np.float64]) -> FloatArray:
    """All on the best score, shared evenly by those that have it."""
    best = (scores == scores.max()).astype(np.float64)
    return np.asarray(best / best.sum())
