"""LinUCB: a linear model of each arm, and the arm whose upper confidence bound is highest.

Source: Li, Chu, Langford and Schapire, "A contextual-bandit approach to personalized news article recommendation"
(WWW 2010), algorithm 1, with disjoint linear models.
"""

from __future__ import annotations

import numpy as np

from tropism.experiments.bandits.arms import LinearArms
from tropism.experiments.bandits.base import Choice, FloatArray
from tropism.experiments.bandits.deciding import Deciding, Judged
from tropism.experiments.bandits.reading import read_context
from tropism.experiments.bandits.settings import LinUCBSettings, check_settings
from tropism.experiments.bandits.statistics import State


class LinUCB(Deciding):
    """Chooses the arm with the largest x' w + alpha sqrt(x' A^-1 x); the first of those that tie.

    On its own it is deterministic: the chosen arm has a propensity of 1 and the others of 0, and nothing can be
    estimated of another policy from its log. With `explore` above 0 that share of decisions is uniform, and every
    propensity is at least explore / arms.

    >>> rng = np.random.default_rng(0)
    >>> policy = LinUCB(LinUCBSettings(arms=2, features=2, explore=0.1))
    >>> policy.learn(1, np.array([1.0, 0.0]), 1.0)
    >>> choice = policy.choose(np.array([1.0, 0.0]), rng)
    >>> choice.arm, choice.propensity, choice.scores.round(2).tolist()
    (1, 0.95, [1.0, 1.21])
    """

    def __init__(self, settings: LinUCBSettings, state: State | None = None) -> None:
        """Raises as `check_settings` and, with a state, as `statistics.unpack`."""
        check_settings(settings)
        self._linear = LinearArms(settings, settings.ridge, state)
        super().__init__(settings, self._linear)
        self._features, self._explore = settings.features, settings.explore
        self._width, self._count = settings.alpha**2, settings.arms
        self._others = 1.0 - 1.0 / settings.arms

    def choose(self, context: FloatArray | None, rng: np.random.Generator) -> Choice:
        scores = self._bounds(read_context(context, self._features))
        arm = best = int(scores.argmax())
        explore = self._explore
        if explore == 0.0:
            return Choice(arm, 1.0, scores)
        if rng.random() < explore:
            arm = int(rng.random() * self._count)
        propensity = 1.0 - explore * self._others if arm == best else explore / self._count
        return Choice(arm, propensity, scores)

    def _judge(self, context: FloatArray) -> Judged:
        scores = self._bounds(context)
        chances = np.full(self._count, self._explore / self._count)
        chances[scores.argmax()] = 1.0 - self._explore * self._others
        return Judged(scores, chances)

    def _bounds(self, context: FloatArray) -> FloatArray:
        found = self._linear.variances(context)
        found *= self._width
        np.sqrt(found, out=found)
        found += self._linear.means(context)
        return found
