"""How a bandit policy chooses: one class of settings per policy, stored and sent with the tag `policy`."""

from __future__ import annotations

from math import isfinite

import msgspec

from tropism.core.errors import Fault, InvalidInput


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="policy"):
    """Of every policy. `features`: length of a context, with the constant 1 if the policy is to have an intercept; 0
    for a policy without contexts. `low`, `high`: bounds of a reward, known beforehand."""

    arms: int
    features: int = 0
    low: float = 0.0
    high: float = 1.0


class LinUCBSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="linucb"):
    """`alpha`: standard deviations that the upper bound lies above the estimate. `ridge`: what is added to the
    diagonal of each arm's matrix. `explore`: share of decisions that are drawn uniformly from all arms."""

    alpha: float = 1.0
    ridge: float = 1.0
    explore: float = 0.0


class LinearThompsonSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="linear-thompson"):
    """`spread`: multiplies the posterior's standard deviation (v in the paper). Others as in `LinUCBSettings`."""

    spread: float = 1.0
    ridge: float = 1.0
    explore: float = 0.0


class BetaThompsonSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="beta-thompson"):
    """Rewards are 0 or 1. `successes`, `failures`: of the prior, as if that many had been seen of each arm."""

    successes: float = 1.0
    failures: float = 1.0
    explore: float = 0.0


class GaussianThompsonSettings(
    Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gaussian-thompson"
):
    """`noise`: standard deviation of a reward around its arm's mean. `mean`, `deviation`: of the prior of that."""

    noise: float = 0.5
    mean: float = 0.5
    deviation: float = 1.0
    explore: float = 0.0


class EpsilonGreedySettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="epsilon-greedy"):
    """`epsilon`: share of decisions that are drawn uniformly from all arms. `ridge`: matters with contexts only."""

    epsilon: float = 0.1
    ridge: float = 1.0


class SoftmaxSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="softmax"):
    """`temperature`: in units of the reward; an arm that is better by it is chosen e times as often. `ridge`: matters
    with contexts only. `explore`: as in `LinUCBSettings`."""

    temperature: float = 0.1
    ridge: float = 1.0
    explore: float = 0.0


AnySettings = (
    LinUCBSettings
    | LinearThompsonSettings
    | BetaThompsonSettings
    | GaussianThompsonSettings
    | EpsilonGreedySettings
    | SoftmaxSettings
)

_POSITIVE = ("ridge", "spread", "successes", "failures", "noise", "deviation", "temperature")
_SHARES = ("explore", "epsilon")
MOST_ARMS, MOST_FEATURES, MOST_NUMBERS = 1_000, 4_096, 1 << 25


def check_settings(settings: AnySettings) -> None:
    """Whether a policy can be made of these.

    Raises:
        InvalidInput: naming every field that is wrong.

    >>> check_settings(EpsilonGreedySettings(arms=3, epsilon=1.5))
    Traceback (most recent call last):
    ...
    tropism.core.errors.InvalidInput: a policy cannot work with these settings
      epsilon: got 1.5; use a share from 0 to 1
    """
    faults = _shape(settings) + _bounds(settings)
    for name in _POSITIVE:
        value = getattr(settings, name, 1.0)
        if not (isfinite(value) and value > 0):
            faults.append(Fault(name, str(value), "use a positive number"))
    for name in _SHARES:
        value = getattr(settings, name, 0.0)
        if not 0 <= value <= 1:
            faults.append(Fault(name, str(value), "use a share from 0 to 1"))
    alpha = getattr(settings, "alpha", 0.0)
    if not (isfinite(alpha) and alpha >= 0):
        faults.append(Fault("alpha", str(alpha), "use 0 or a positive number"))
    if faults:
        raise InvalidInput("a policy cannot work with these settings", *faults)


def _shape(settings: AnySettings) -> list[Fault]:
    faults = []
    if not 1 <= settings.arms <= MOST_ARMS:
        faults.append(Fault("arms", str(settings.arms), f"use a number from 1 to {MOST_ARMS}"))
    least, most = 0, MOST_FEATURES
    if isinstance(settings, LinUCBSettings | LinearThompsonSettings):
        least = 1
    elif isinstance(settings, BetaThompsonSettings | GaussianThompsonSettings):
        most = 0
    if settings.arms * settings.features**2 > MOST_NUMBERS:
        fix = f"use fewer arms or features: arms x features^2 may be {MOST_NUMBERS:,}"
        faults.append(Fault("features", str(settings.features), fix))
    if not least <= settings.features <= most:
        fix = f"use a number from {least} to {most}" if most else "leave it out: this policy reads no context"
        faults.append(Fault("features", str(settings.features), fix))
    return faults


def _bounds(settings: AnySettings) -> list[Fault]:
    low, high = settings.low, settings.high
    if isinstance(settings, BetaThompsonSettings) and (low, high) != (0.0, 1.0):
        return [Fault("high", f"{low} to {high}", "leave `low` and `high` out: rewards here are 0 or 1")]
    if not (isfinite(low) and isfinite(high) and low < high):
        return [Fault("high", f"{low} to {high}", "give finite bounds, `low` below `high`")]
    if isinstance(settings, GaussianThompsonSettings) and not isfinite(settings.mean):
        return [Fault("mean", str(settings.mean), "use a finite number")]
    return []
