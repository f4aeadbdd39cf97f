"""What a bandit goes by at a time: a revision of its shares, as it is published to whatever answers requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tropism.core.bandit import BanditSettings, Revision
from tropism.core.errors import DataInvalid, Fault
from tropism.core.experiment import Experiment
from tropism.experiments.assigning import Assigner, Why
from tropism.experiments.bandits.base import FloatArray
from tropism.experiments.bandits.contexts import Contexts
from tropism.experiments.bandits.opening import from_state, open_policy
from tropism.experiments.bandits.settings import (
    AnySettings,
    EpsilonGreedySettings,
    LinearThompsonSettings,
    LinUCBSettings,
)
from tropism.experiments.bandits.sharing import floored
from tropism.experiments.bandits.statistics import State
from tropism.experiments.places import PLACES, Places

REACH = 4.0
"""Rewards that a contextual policy learns from are in standard deviations, cut here on both sides."""
_NOTHING: Mapping[str, object] = {}


class Choosing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a contextual policy judges a request: what its context is, and what was learned."""

    contexts: Contexts
    state: State


def first_revision(spec: Experiment, at: int) -> Revision:
    """What an experiment begins with.

    >>> from tropism.core.experiment import Variant
    >>> two = Experiment(name="two", task="fraud", mode="bandit", variants=(Variant(name="a"), Variant(name="b")))
    >>> first_revision(two, at=0).shares
    {'a': 0.5, 'b': 0.5}
    """
    shares = floored([variant.weight for variant in spec.variants], 0.0)
    named = {variant.name: share for variant, share in zip(spec.variants, shares.tolist(), strict=True)}
    return Revision(number=0, at=at, learned_until=at, rows=0, shares=named)


class Drawn(NamedTuple):
    """A unit's variant, and the probability with which it was chosen; None where it takes no part: `why`."""

    variant: str | None
    propensity: float | None
    why: Why


class BanditAssigner:
    """Draws variants for units by one revision; the same unit with the same features always gets the same one.

    Who takes part is told by the experiment's places, so the holdout stays as it is. What a unit gets is drawn from
    places of their own, by `seed/number` of the revision: each revision draws anew, whatever a unit had before, so
    the comparison of its units rests on nothing that was known of them.

    Raises:
        InvalidInput, DataInvalid: the revision cannot be used.

    >>> from tropism.core.experiment import Variant
    >>> two = Experiment(name="two", task="fraud", mode="bandit", variants=(Variant(name="a"), Variant(name="b")))
    >>> BanditAssigner(two, first_revision(two, at=0)).assign("user-8")
    Drawn(variant='a', propensity=0.5, why='experiment')
    """

    def __init__(self, experiment: Experiment, revision: Revision) -> None:
        self._members = Assigner(experiment, 1.0)
        self._place = Places(f"{experiment.placed_by}/{revision.number}").of
        self._names = [variant.name for variant in experiment.variants]
        self._shares = np.array([revision.shares[name] for name in self._names])
        self._floor = experiment.shared_by.floor
        self._least = [place for place, name in enumerate(self._names) if name in revision.least]
        self._choosing = None if revision.choosing is None else _choosing(revision.choosing)
        self._policy = None if self._choosing is None else from_state(self._choosing.state)

    def assign(self, unit: str | None, attributes: Mapping[str, object] = _NOTHING) -> Drawn:
        """The variant of a unit; `attributes`: its features.

        Raises:
            InvalidInput: there is no unit.
        """
        part = self._members.assign(unit, attributes)
        if part.variant is None or not unit:
            return Drawn(None, None, part.why)
        shares = self.shares(attributes)
        place, reached = self._place(unit), 0
        for name, share in zip(self._names, shares.tolist(), strict=True):
            reached += round(share * PLACES)
            if place < reached:
                return Drawn(name, share, "experiment")
        return Drawn(self._names[-1], float(shares[-1]), "experiment")

    def shares(self, attributes: Mapping[str, object] = _NOTHING) -> FloatArray:
        """The probability of each variant for these features, shape (variants,), in whole ten-thousandths."""
        if self._policy is None or self._choosing is None:
            return self._shares
        wanted = self._policy.propensities(self._choosing.contexts.of(attributes))
        return floored(wanted, self._floor, self._least)


def _choosing(stored: dict[str, Any]) -> Choosing:
    try:
        return msgspec.convert(stored, Choosing)
    except msgspec.ValidationError as error:
        fault = Fault("choosing", str(error), "use the version of Tropism that published it")
        raise DataInvalid("a bandit's state cannot be read", fault) from error


def policy_settings(settings: BanditSettings, arms: int, features: int) -> AnySettings:
    """Of the contextual policy that the settings name; exploration is left to the floor.

    >>> policy_settings(BanditSettings(policy="linucb", width=0.5), arms=2, features=3).alpha
    0.5
    """
    if settings.policy == "linucb":
        return LinUCBSettings(arms=arms, features=features, low=-REACH, high=REACH, alpha=settings.width)
    if settings.policy == "linear-thompson":
        return LinearThompsonSettings(arms=arms, features=features, low=-REACH, high=REACH, spread=settings.width)
    return EpsilonGreedySettings(arms=arms, features=features, low=-REACH, high=REACH, epsilon=0.0)


def learned(
    settings: BanditSettings, contexts: Contexts, table: FloatArray, arms: Sequence[int], rewards: FloatArray, k: int
) -> tuple[Choosing, FloatArray]:
    """A contextual policy that knows these rewards, and the mean chances of the k variants over their contexts.

    `table`: contexts (n, width). `rewards` (n,): in any units, more is better, of each day less what is usual on it.
    """
    policy = open_policy(policy_settings(settings, k, contexts.width))
    scale = float(rewards.std()) or 1.0
    policy.learn_many(np.asarray(arms, dtype=np.int64), table, np.clip(rewards / scale, -REACH, REACH))
    some = table[:: max(1, len(table) // 200)]
    mean = np.mean([policy.propensities(context) for context in some], axis=0)
    return Choosing(contexts=contexts, state=policy.state()), mean
