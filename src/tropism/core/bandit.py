"""How a bandit shares traffic between the variants of an experiment, as it is declared."""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

import msgspec

from tropism.core.errors import Fault

BanditPolicy = Literal["thompson", "epsilon-greedy", "softmax", "linucb", "linear-thompson", "best-per-context"]
CONTEXTUAL: tuple[BanditPolicy, ...] = ("linucb", "linear-thompson", "best-per-context")
"""Policies that choose by the features of each request."""
BANDIT_POLICIES: tuple[BanditPolicy, ...] = ("thompson", "epsilon-greedy", "softmax", *CONTEXTUAL)
MOST_CONTEXT = 64
"""Features that a contextual policy may be told to read."""


class BanditSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which policy a bandit's variants get their shares.

    `policy`: `thompson` gives each variant the probability that it is the best one, given what is known;
    `epsilon-greedy` gives all but the floors to the one with the best mean; `softmax` shares by the means. Contextual
    ones choose anew for each request: `linucb` the variant with the highest upper bound in this context,
    `linear-thompson` each with the probability that it is the best in it, `best-per-context` the one with the best
    estimate in it. `floor`: least probability of each variant, so that all of them go on being learned of.
    `temperature`: of softmax, in standard deviations of the decision metric: a variant that is better by it gets e
    times as much. `width`: of the two that explore by uncertainty, how many standard deviations it counts for.
    `features`: those that make the context; all of the task's unless given.

    >>> BanditSettings().policy, BanditSettings(policy="linucb").contextual
    ('thompson', True)
    """

    policy: BanditPolicy = "thompson"
    floor: float = 0.05
    temperature: float = 0.1
    width: float = 1.0
    features: tuple[str, ...] = ()

    @property
    def contextual(self) -> bool:
        """Whether it reads the features of a request."""
        return self.policy in CONTEXTUAL


class Revision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bandit goes by at a time, as it is published to whatever answers requests.

    `number`: 0 is the start, by the variants' weights. `at`: when it was published; `learned_until`: what it knows,
    both in µs. `rows`: units that it learned from. `shares`: of each variant; of a contextual policy, what the units
    learned from would get, on average. `least`: variants that are shown to be worse, and get the floor and no more.
    `choosing`: of a contextual policy that has learned something, how it judges a request
    (`experiments.bandits.revisions.Choosing`), as plain values; kept for the newest revision alone.
    """

    number: int
    at: int
    learned_until: int
    rows: int
    shares: dict[str, float]
    least: tuple[str, ...] = ()
    choosing: dict[str, Any] | None = None


def bandit_faults(settings: BanditSettings, variants: int) -> list[Fault]:
    """What is wrong with the settings of a bandit with so many variants."""
    faults = []
    if settings.policy not in BANDIT_POLICIES:
        faults.append(Fault("bandit.policy", repr(settings.policy), f"use one of: {', '.join(BANDIT_POLICIES)}"))
    if not 0 < settings.floor < 1:
        faults.append(Fault("bandit.floor", str(settings.floor), "use a probability above 0, such as 0.05"))
    elif settings.floor * variants >= 1:
        fix = f"use less than {1 / variants:.4g}: each of {variants} variants has it"
        faults.append(Fault("bandit.floor", str(settings.floor), fix))
    elif settings.floor < 0.001:
        fix = "use at least 0.001: units are placed to a ten-thousandth, and one in a thousand says little already"
        faults.append(Fault("bandit.floor", str(settings.floor), fix))
    for name in ("temperature", "width"):
        value = getattr(settings, name)
        if not (isfinite(value) and value > 0):
            faults.append(Fault(f"bandit.{name}", str(value), "use a positive number"))
    if settings.features and not settings.contextual:
        fix = f"leave them out, or use one of: {', '.join(CONTEXTUAL)}"
        faults.append(Fault("bandit.features", ", ".join(settings.features)[:200], fix))
    if len(settings.features) > MOST_CONTEXT:
        faults.append(Fault("bandit.features", f"{len(settings.features)} of them", f"name at most {MOST_CONTEXT}"))
    if len(set(settings.features)) < len(settings.features):
        faults.append(Fault("bandit.features", ", ".join(settings.features)[:200], "name each once"))
    return faults
