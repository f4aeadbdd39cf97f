"""Thompson sampling: each arm is chosen with the probability that it is the best one, given what is known.

Sources: Agrawal and Goyal, "Thompson sampling for contextual bandits with linear payoffs" (ICML 2013), with a linear
model for each arm, whose estimates for one context are then independent normal variables; Thompson (1933) and
Agrawal and Goyal, "Further optimal regret bounds for Thompson sampling" (AISTATS 2013), without contexts.

The probabilities are computed (see `chances`), the arm is drawn from them, and they are the propensities. Drawing from
the posterior and taking the best would choose in the same way, and leave its propensity unknown.
"""

from __future__ import annotations

import numpy as np

from tropism.experiments.bandits.arms import LinearArms, MeanArms
from tropism.experiments.bandits.base import FloatArray
from tropism.experiments.bandits.chances import largest_beta, largest_normal
from tropism.experiments.bandits.deciding import Deciding, Judged, mixed
from tropism.experiments.bandits.settings import (
    BetaThompsonSettings,
    GaussianThompsonSettings,
    LinearThompsonSettings,
    check_settings,
)
from tropism.experiments.bandits.statistics import State


class LinearThompson(Deciding):
    """Arm a's reward in context x is normal around x' w_a with deviation `spread` sqrt(x' A_a^-1 x).

    >>> policy = LinearThompson(LinearThompsonSettings(arms=2, features=1))
    >>> policy.learn(1, np.array([1.0]), 1.0)
    >>> policy.propensities(np.array([1.0])).round(3).tolist()
    [0.342, 0.658]
    """

    def __init__(self, settings: LinearThompsonSettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._linear = LinearArms(settings, settings.ridge, state)
        super().__init__(settings, self._linear)
        self._spread, self._explore = settings.spread, settings.explore

    def _judge(self, context: FloatArray) -> Judged:
        means = self._linear.means(context)
        chances = largest_normal(means, self._spread * np.sqrt(self._linear.variances(context)))
        return Judged(means, mixed(chances, self._explore))


class BetaThompson(Deciding):
    """Rewards of 0 and 1, no contexts; a beta posterior of each arm's rate.

    >>> policy = BetaThompson(BetaThompsonSettings(arms=3))
    >>> policy.learn_many([0, 0, 1, 1, 2, 2], None, [1, 1, 1, 0, 0, 0])
    >>> policy.propensities(None).round(2).tolist()
    [0.78, 0.19, 0.03]
    """

    WHOLE = True

    def __init__(self, settings: BetaThompsonSettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._means = MeanArms(settings, state)
        super().__init__(settings, self._means)
        self._prior, self._explore = (settings.successes, settings.failures), settings.explore

    def _judge(self, context: FloatArray) -> Judged:  # noqa: ARG002 - there are none
        successes = self._prior[0] + self._means.total
        failures = self._prior[1] + self._means.count - self._means.total
        chances = largest_beta(successes, failures)
        return Judged(successes / (successes + failures), mixed(chances, self._explore))


class GaussianThompson(Deciding):
    """Rewards with noise of a known deviation, no contexts; a normal posterior of each arm's mean.

    >>> policy = GaussianThompson(GaussianThompsonSettings(arms=2))
    >>> policy.learn_many([0, 0, 1, 1], None, [0.5, 0.7, 0.1, 0.3])
    >>> policy.propensities(None).round(2).tolist()
    [0.77, 0.23]
    """

    def __init__(self, settings: GaussianThompsonSettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._means = MeanArms(settings, state)
        super().__init__(settings, self._means)
        self._known = (settings.mean, settings.deviation**-2, settings.noise**-2)
        self._explore = settings.explore

    def _judge(self, context: FloatArray) -> Judged:  # noqa: ARG002 - there are none
        mean, prior, each = self._known
        precision = prior + each * self._means.count
        means = (prior * mean + each * self._means.total) / precision
        chances = largest_normal(means, 1 / np.sqrt(precision))
        return Judged(means, mixed(chances, self._explore))
