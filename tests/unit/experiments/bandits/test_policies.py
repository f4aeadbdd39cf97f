from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.experiments.bandits import (
    AnySettings,
    BetaThompsonSettings,
    EpsilonGreedySettings,
    FloatArray,
    GaussianThompsonSettings,
    LinearThompsonSettings,
    LinUCBSettings,
    Policy,
    SoftmaxSettings,
    State,
    from_state,
    merge,
    open_policy,
)

WITH_CONTEXT: list[AnySettings] = [
    LinUCBSettings(arms=3, features=4, explore=0.1),
    LinearThompsonSettings(arms=3, features=4, explore=0.1),
    EpsilonGreedySettings(arms=3, features=4, epsilon=0.1),
    SoftmaxSettings(arms=3, features=4, explore=0.1),
]
WITHOUT: list[AnySettings] = [
    BetaThompsonSettings(arms=3),
    GaussianThompsonSettings(arms=3),
    EpsilonGreedySettings(arms=3, epsilon=0.2),
    SoftmaxSettings(arms=3),
]
ALL = [*WITH_CONTEXT, *WITHOUT]


def name(given: object) -> str:
    return type(given).__name__ if isinstance(given, msgspec.Struct) else str(given)


def taught(settings: AnySettings, seed: int = 0, rows: int = 60) -> Policy:
    policy = open_policy(settings)
    policy.learn_many(*_rewards(settings, seed, rows))
    return policy


def context_of(settings: AnySettings, seed: int = 9) -> FloatArray | None:
    return np.random.default_rng(seed).normal(size=settings.features) if settings.features else None


@pytest.mark.parametrize("settings", ALL, ids=name)
def test_arms_are_chosen_as_often_as_their_propensities_say(settings: AnySettings) -> None:
    policy, context, rng = taught(settings), context_of(settings), np.random.default_rng(1)
    chances = policy.propensities(context)
    chosen = [policy.choose(context, rng) for _ in range(4_000)]
    assert all(one.propensity == chances[one.arm] > 0 for one in chosen)
    shares = np.bincount([one.arm for one in chosen], minlength=3) / len(chosen)
    assert np.abs(shares - chances).max() < 0.03
    assert chances.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("settings", ALL, ids=name)
def test_rewards_may_come_in_any_order_and_one_at_a_time(settings: AnySettings) -> None:
    arms, contexts, rewards = _rewards(settings, 0, 60)
    one_by_one = open_policy(settings)
    for row in np.random.default_rng(5).permutation(60):
        one_by_one.learn(int(arms[row]), None if contexts is None else contexts[row], float(rewards[row]))
    context = context_of(settings)
    assert one_by_one.propensities(context) == pytest.approx(taught(settings).propensities(context), abs=1e-9)


@pytest.mark.parametrize("settings", ALL, ids=name)
def test_a_published_state_decides_as_the_policy_it_came_from(settings: AnySettings) -> None:
    policy, context = taught(settings), context_of(settings)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(policy.state()), type=State)
    assert from_state(read).propensities(context) == pytest.approx(policy.propensities(context), abs=1e-9)
    assert read == msgspec.json.decode(msgspec.json.encode(policy.state()), type=State)


@pytest.mark.parametrize("settings", ALL, ids=name)
def test_replicas_merge_into_what_one_policy_would_have_learned(settings: AnySettings) -> None:
    start = taught(settings, seed=0)
    everything, replicas = from_state(start.state()), [from_state(start.state()) for _ in range(3)]
    for seed, replica in enumerate(replicas, start=1):
        replica.learn_many(*_rewards(settings, seed, 40))
        everything.learn_many(*_rewards(settings, seed, 40))
    merged = merge([replica.state() for replica in replicas], since=start.state())
    assert merged.statistics.count == everything.state().statistics.count
    context = context_of(settings)
    assert from_state(merged).propensities(context) == pytest.approx(everything.propensities(context), abs=1e-9)


def test_updates_one_by_one_stay_at_the_solution_of_the_normal_equations() -> None:
    rng, settings = np.random.default_rng(0), LinUCBSettings(arms=1, features=8, alpha=0.7, ridge=0.5)
    policy, contexts, rewards = open_policy(settings), rng.normal(size=(2_500, 8)), rng.random(2_500)
    for context, reward in zip(contexts, rewards, strict=True):
        policy.learn(0, context, float(reward))
    inverse = np.linalg.inv(contexts.T @ contexts + 0.5 * np.eye(8))
    asked = rng.normal(size=8)
    expected = asked @ inverse @ contexts.T @ rewards + 0.7 * np.sqrt(asked @ inverse @ asked)
    assert policy.choose(asked, rng).scores[0] == pytest.approx(expected, rel=1e-9)


def test_linucb_alone_is_certain_and_with_exploration_no_arm_is_impossible() -> None:
    context, rng = np.ones(4), np.random.default_rng(0)
    assert open_policy(LinUCBSettings(arms=3, features=4)).choose(context, rng).propensity == 1
    chances = open_policy(LinUCBSettings(arms=3, features=4, explore=0.3)).propensities(context)
    assert sorted(chances.tolist()) == pytest.approx([0.1, 0.1, 0.8])
    assert open_policy(LinUCBSettings(arms=1, features=4, explore=0.3)).propensities(context).tolist() == [1.0]


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (BetaThompsonSettings(arms=4), 60),
        (GaussianThompsonSettings(arms=4), 60),
        (SoftmaxSettings(arms=4, temperature=0.05), 100),
        (EpsilonGreedySettings(arms=4, epsilon=0.05), 130),
    ],
    ids=name,
)
def test_without_contexts_little_is_lost_to_the_best_arm(settings: AnySettings, most: float) -> None:
    """Mean regret over 3 runs of 1,000 decisions; choosing at random would lose 225."""
    rates = np.array([0.2, 0.3, 0.4, 0.6])
    lost = 0.0
    for seed in range(3):
        rng, policy = np.random.default_rng(seed), open_policy(settings)
        for _ in range(1_000):
            arm = policy.choose(None, rng).arm
            policy.learn(arm, None, float(rng.random() < rates[arm]))
            lost += (rates.max() - rates[arm]) / 3
    assert lost < most


@pytest.mark.parametrize("settings", WITH_CONTEXT, ids=name)
def test_with_contexts_the_arm_follows_the_context(settings: AnySettings) -> None:
    weights = np.array([[0.4, 0, 0, 0.5], [0, 0.4, 0, 0.5], [0, 0, 0.4, 0.5]])
    rng, policy = np.random.default_rng(3), open_policy(settings)
    earned, best = np.zeros(1_500), np.zeros(1_500)
    for place in range(1_500):
        context = np.append(rng.uniform(-1, 1, 3), 1.0)
        means, arm = weights @ context, policy.choose(context, rng).arm
        policy.learn(arm, context, float(rng.random() < means[arm]))
        earned[place], best[place] = means[arm], means.max()
    assert earned[-500:].mean() > 0.5 + 0.75 * (best[-500:].mean() - 0.5)


CONTEXT = np.ones(4)
LINEAR = LinUCBSettings(arms=3, features=4)


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda p, rng: p.choose(np.ones(5), rng), "context"),
        (lambda p, rng: p.choose(None, rng), "context"),
        (lambda p, rng: p.choose("teal", rng), "context"),
        (lambda p, rng: p.choose(np.array([1.0, np.nan, 0, 0]), rng), "context[1]"),
        (lambda p, rng: p.choose(np.array([1.0, 0, 0, 1e300]), rng), "context[3]"),
        (lambda p, rng: p.learn(3, CONTEXT, 0.5), "arm"),
        (lambda p, rng: p.learn(True, CONTEXT, 0.5), "arm"),
        (lambda p, rng: p.learn(0, CONTEXT, 1.5), "reward"),
        (lambda p, rng: p.learn(0, CONTEXT, float("nan")), "reward"),
        (lambda p, rng: p.learn_many([0, -1], np.ones((2, 4)), [0, 0]), "arms[1]"),
        (lambda p, rng: p.learn_many([0.5], np.ones((1, 4)), [0]), "arms"),
        (lambda p, rng: p.learn_many([0, 1], np.ones((2, 4)), [0, 2.0]), "rewards[1]"),
        (lambda p, rng: p.learn_many([0, 1], np.ones((2, 4)), [0]), "rewards"),
        (lambda p, rng: p.learn_many([0, 1], np.ones((2, 3)), [0, 1]), "contexts"),
        (lambda p, rng: p.learn_many([0, 1], np.array([CONTEXT, [np.inf] * 4]), [0, 1]), "contexts[1][0]"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(
    act: Callable[[Policy, np.random.Generator], object], field: str
) -> None:
    policy = open_policy(LINEAR)
    with pytest.raises(InvalidInput) as caught:
        act(policy, np.random.default_rng(0))
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix
    assert policy.state() == open_policy(LINEAR).state()


def test_a_context_for_a_policy_without_any_is_refused() -> None:
    with pytest.raises(InvalidInput, match="reads no context"):
        open_policy(BetaThompsonSettings(arms=2)).choose(np.ones(3), np.random.default_rng(0))


def test_a_beta_posterior_takes_only_0_and_1() -> None:
    policy = open_policy(BetaThompsonSettings(arms=2))
    with pytest.raises(InvalidInput, match="neither 0 nor 1"):
        policy.learn(0, None, 0.5)
    with pytest.raises(InvalidInput, match="neither 0 nor 1"):
        policy.learn_many([0], None, [0.5])


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (LinUCBSettings(arms=0, features=1), "arms"),
        (LinUCBSettings(arms=2), "features"),
        (LinUCBSettings(arms=1_000, features=1_000), "features"),
        (BetaThompsonSettings(arms=2, features=3), "features"),
        (LinUCBSettings(arms=2, features=1, explore=1.1), "explore"),
        (LinUCBSettings(arms=2, features=1, alpha=-1), "alpha"),
        (LinUCBSettings(arms=2, features=1, ridge=0), "ridge"),
        (EpsilonGreedySettings(arms=2, epsilon=-0.1), "epsilon"),
        (EpsilonGreedySettings(arms=2, epsilon=float("nan")), "epsilon"),
        (SoftmaxSettings(arms=2, temperature=0), "temperature"),
        (SoftmaxSettings(arms=2, low=1.0, high=0.0), "high"),
        (BetaThompsonSettings(arms=2, high=2.0), "high"),
        (GaussianThompsonSettings(arms=2, mean=float("inf")), "mean"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: AnySettings, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_policy(settings)
    assert [fault.field for fault in caught.value.faults] == [field]


def test_a_damaged_state_is_refused() -> None:
    state = taught(LINEAR).state()
    short = msgspec.structs.replace(state.statistics, moment=state.statistics.moment[:-8])
    broken = msgspec.structs.replace(state.statistics, moment=np.full(12, np.nan).tobytes())
    for statistics in (short, broken):
        with pytest.raises(DataInvalid):
            from_state(msgspec.structs.replace(state, statistics=statistics))


def test_only_copies_of_one_policy_merge() -> None:
    one, other = (open_policy(EpsilonGreedySettings(arms=2, epsilon=e)).state() for e in (0.1, 0.2))
    with pytest.raises(InvalidInput) as caught:
        merge([one, other])
    assert caught.value.faults[0].field == "states[1].settings"
    with pytest.raises(InvalidInput):
        merge([])
    with pytest.raises(DataInvalid):
        merge([one, one], since=taught(EpsilonGreedySettings(arms=2, epsilon=0.1)).state())


def _rewards(settings: AnySettings, seed: int, rows: int) -> tuple[NDArray[np.int64], FloatArray | None, FloatArray]:
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(rows, settings.features)) if settings.features else None
    arms, rewards = rng.integers(0, settings.arms, rows), rng.integers(0, 2, rows).astype(np.float64)
    return arms, contexts, rewards
