"""Policies that go by the estimated mean reward alone, with or without contexts: epsilon-greedy and softmax.

Source: Sutton and Barto, "Reinforcement Learning" (2nd edition, 2018), sections 2.2 and 2.8.
"""

from __future__ import annotations

import numpy as np

from tropism.experiments.bandits.arms import LinearArms, MeanArms
from tropism.experiments.bandits.base import FloatArray
from tropism.experiments.bandits.deciding import Deciding, Judged, greedy, mixed
from tropism.experiments.bandits.settings import EpsilonGreedySettings, SoftmaxSettings, check_settings
from tropism.experiments.bandits.statistics import State


class EpsilonGreedy(Deciding):
    """The arm with the best estimate, and in a share `epsilon` of decisions any arm. Those that tie share evenly.

    >>> policy = EpsilonGreedy(EpsilonGreedySettings(arms=2, epsilon=0.1))
    >>> policy.learn_many([0, 1], None, [1.0, 0.0])
    >>> policy.propensities(None).tolist()
    [0.95, 0.05]
    """

    def __init__(self, settings: EpsilonGreedySettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._estimates = _estimates(settings, state)
        super().__init__(settings, self._estimates)
        self._epsilon = settings.epsilon

    def _judge(self, context: FloatArray) -> Judged:
        means = self._estimates.means(context)
        return Judged(means, mixed(greedy(means), self._epsilon))


class Softmax(Deciding):
    """Chances in proportion to exp(estimate / temperature), also called Boltzmann exploration.

    >>> policy = Softmax(SoftmaxSettings(arms=2, temperature=0.5))
    >>> policy.learn_many([0, 1], None, [1.0, 0.5])
    >>> policy.propensities(None).round(3).tolist()
    [0.731, 0.269]
    """

    def __init__(self, settings: SoftmaxSettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._estimates = _estimates(settings, state)
        super().__init__(settings, self._estimates)
        self._temperature, self._explore = settings.temperature, settings.explore

    def _judge(self, context: FloatArray) -> Judged:
        means = self._estimates.means(context)
        weights = np.exp((means - means.max()) / self._temperature)
        return Judged(means, mixed(weights / weights.sum(), self._explore))


def _estimates(settings: EpsilonGreedySettings | SoftmaxSettings, state: State | None) -> LinearArms | MeanArms:
    return LinearArms(settings, settings.ridge, state) if settings.features else MeanArms(settings, state)
