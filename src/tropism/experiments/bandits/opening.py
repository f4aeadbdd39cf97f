"""From settings, or from what was stored, to a policy."""

from __future__ import annotations

from typing import cast

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.bandits.base import Policy
from tropism.experiments.bandits.linucb import LinUCB
from tropism.experiments.bandits.settings import (
    AnySettings,
    BetaThompsonSettings,
    EpsilonGreedySettings,
    GaussianThompsonSettings,
    LinearThompsonSettings,
    LinUCBSettings,
    SoftmaxSettings,
)
from tropism.experiments.bandits.simple import EpsilonGreedy, Softmax
from tropism.experiments.bandits.statistics import State
from tropism.experiments.bandits.thompson import BetaThompson, GaussianThompson, LinearThompson

_POLICIES = {
    LinUCBSettings: LinUCB,
    LinearThompsonSettings: LinearThompson,
    BetaThompsonSettings: BetaThompson,
    GaussianThompsonSettings: GaussianThompson,
    EpsilonGreedySettings: EpsilonGreedy,
    SoftmaxSettings: Softmax,
}


def open_policy(settings: AnySettings) -> Policy:
    """A policy that knows nothing yet.

    Raises:
        InvalidInput: settings that make no sense, each of them named.

    >>> from tropism.experiments.bandits import SoftmaxSettings
    >>> open_policy(SoftmaxSettings(arms=4)).propensities(None).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return _opened(settings, None)


def from_state(state: State) -> Policy:
    """A policy that decides, and goes on learning, as the one whose state it is.

    Raises:
        InvalidInput: settings that make no sense.
        DataInvalid: sums that do not fit the settings, or are not finite.

    >>> from tropism.experiments.bandits import EpsilonGreedySettings
    >>> policy = open_policy(EpsilonGreedySettings(arms=2, epsilon=0.5))
    >>> policy.learn_many([0, 1], None, [0.0, 1.0])
    >>> from_state(policy.state()).propensities(None).tolist()
    [0.25, 0.75]
    """
    return _opened(state.settings, state)


def _opened(settings: AnySettings, state: State | None) -> Policy:
    made = _POLICIES.get(type(settings))
    if made is None:
        fix = f"use one of: {', '.join(sorted(one.__name__ for one in _POLICIES))}"
        raise InvalidInput("there is no such policy", Fault("settings", type(settings).__name__, fix))
    return cast("Policy", made(settings, state))
