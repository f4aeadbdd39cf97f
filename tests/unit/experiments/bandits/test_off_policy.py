from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.bandits import (
    Estimate,
    FloatArray,
    Interval,
    LinUCBSettings,
    Logged,
    cross_fit,
    dr,
    effective_sample_size,
    ips,
    open_policy,
    snips,
)
from tropism.experiments.bandits.weights import weigh

RUNS, ROWS, ARMS = 1_500, 600, 3
WEIGHTS = np.array([[0.5, 0.25, 0.0], [0.4, -0.2, 0.1], [0.5, 0.0, -0.2]])
BERNSTEIN = Interval(kind="bernstein", low=0.0, high=1.0, floor=0.1)


class World:
    """Binary rewards, linear in two features; the logging policy favours an arm by context, the target another one."""

    def __init__(self, seed: int, rows: int = ROWS) -> None:
        rng = np.random.default_rng(seed)
        self.contexts = np.column_stack([np.ones(rows), rng.uniform(-1, 1, (rows, 2))])
        self.means = self.contexts @ WEIGHTS.T
        self.logging = np.full((rows, ARMS), 0.2)
        self.logging[np.arange(rows), np.where(self.contexts[:, 1] > 0, 0, 2)] = 0.6
        self.target = np.full((rows, ARMS), 0.1)
        self.target[np.arange(rows), np.where(self.contexts[:, 2] > 0, 0, 1)] = 0.8
        arms = (rng.random((rows, 1)) > self.logging.cumsum(axis=1)).sum(axis=1)
        rewards = (rng.random(rows) < self.means[np.arange(rows), arms]).astype(np.float64)
        self.logged = Logged(arms, rewards, self.logging[np.arange(rows), arms])

    def predicted(self) -> FloatArray:
        return cross_fit(self.logged, self.contexts, ARMS, folds=3, low=0.0, high=1.0)


def truth() -> float:
    world = World(10_000, 2_000_000)
    return float((world.target * world.means).sum(axis=1).mean())


TRUE = truth()


def test_intervals_of_95_percent_cover_in_93_to_97_percent_of_logs_and_dr_is_the_narrowest() -> None:
    found: dict[str, list[Estimate]] = {"ips": [], "snips": [], "dr": []}
    for seed in range(RUNS):
        world = World(seed)
        found["ips"].append(ips(world.logged, world.target))
        found["snips"].append(snips(world.logged, world.target))
        found["dr"].append(dr(world.logged, world.target, world.predicted()))
    width = {}
    for name, estimates in found.items():
        covered = np.mean([one.low <= TRUE <= one.high for one in estimates])
        assert 0.93 <= covered <= 0.97, name
        assert np.mean([one.value for one in estimates]) == pytest.approx(TRUE, abs=0.005)
        width[name] = float(np.mean([one.high - one.low for one in estimates]))
    assert width["dr"] < width["snips"]
    assert width["dr"] < 0.9 * width["ips"]


def test_dr_stays_right_with_predictions_that_are_wrong() -> None:
    errors = []
    for seed in range(300):
        world = World(seed)
        errors.append(dr(world.logged, world.target, np.full((ROWS, ARMS), 0.9)).value - TRUE)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / len(errors) ** 0.5


def test_an_empirical_bernstein_interval_misses_less_often_than_it_says_even_with_few_rows() -> None:
    for rows in (20, 200):
        missed = 0
        for seed in range(300):
            world = World(seed, rows)
            one = ips(world.logged, world.target, interval=BERNSTEIN)
            other = dr(world.logged, world.target, np.full((rows, ARMS), 0.5), interval=BERNSTEIN)
            missed += not (one.low <= TRUE <= one.high) or not (other.low <= TRUE <= other.high)
        assert missed / 300 <= 0.05


def test_what_a_logged_policy_earned_itself_is_the_mean_of_its_rewards() -> None:
    world = World(0)
    found = snips(world.logged, world.logging)
    assert found.value == pytest.approx(np.mean(np.asarray(world.logged.rewards)))
    assert found.effective == pytest.approx(ROWS)
    assert found.warnings == ()


def test_one_policy_can_be_estimated_from_the_log_of_another() -> None:
    rng, contexts = np.random.default_rng(0), np.column_stack([np.ones(3_000), np.zeros(3_000)])
    logger = open_policy(LinUCBSettings(arms=2, features=2, explore=0.4))
    choices = [logger.choose(context, rng) for context in contexts]
    rewards = np.array([float(rng.random() < (0.3, 0.7)[one.arm]) for one in choices])
    logged = Logged([one.arm for one in choices], rewards, [one.propensity for one in choices])
    trained = open_policy(LinUCBSettings(arms=2, features=2))
    trained.learn_many(np.asarray(logged.arms), contexts, rewards)
    target = np.array([trained.propensities(context) for context in contexts])
    found = dr(logged, target, cross_fit(logged, contexts, 2))
    assert found.low < 0.7 < found.high
    assert found.high - found.low < 0.2


def test_weights_that_are_cut_bring_noise_down_and_a_warning() -> None:
    world = World(0)
    whole, cut = ips(world.logged, world.target), ips(world.logged, world.target, clip=2.0)
    assert cut.largest_weight == 2.0
    assert cut.high - cut.low < whole.high - whole.low
    assert cut.value < whole.value
    assert 0 < cut.clipped < 1
    assert any("were cut" in warning for warning in cut.warnings)


def test_a_normal_interval_of_few_rows_comes_with_a_warning() -> None:
    world = World(0, 40)
    found = ips(world.logged, world.target)
    assert found.effective < 40
    assert any("effective sample size" in warning for warning in found.warnings)


def test_a_log_without_an_arm_that_the_target_takes_shows_in_the_mean_weight() -> None:
    rng = np.random.default_rng(0)
    arms = rng.integers(0, 2, 1_000)
    logged = Logged(arms, rng.random(1_000), np.full(1_000, 0.5))
    found = ips(logged, np.tile([0.3, 0.3, 0.4], (1_000, 1)))
    assert found.mean_weight == pytest.approx(0.6)
    assert any("average 0.60" in warning for warning in found.warnings)


def test_zero_propensities_are_refused_with_their_share() -> None:
    world = World(0, 100)
    propensities = np.asarray(world.logged.propensities).copy()
    propensities[[7, 9]] = 0.0
    with pytest.raises(InvalidInput, match=r"2.0% of propensities .* 2 of them 0") as caught:
        ips(world.logged._replace(propensities=propensities), world.target)
    assert caught.value.faults[0].field == "propensities[7]"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"propensities": [0.5, 1.2, 0.5]}, "propensities[1]"),
        ({"propensities": [0.5, -0.1, 0.5]}, "propensities[1]"),
        ({"propensities": [0.5, np.nan, 0.5]}, "propensities[1]"),
        ({"propensities": [0.5]}, "propensities"),
        ({"rewards": [1.0, np.nan, 0.0]}, "rewards[1]"),
        ({"arms": [0, 1, 2]}, "arms[2]"),
        ({"arms": [0.0, 1.0, 0.0]}, "arms"),
        ({"target": [[1.0, 0.0], [0.5, 0.4], [1.0, 0.0]]}, "target[1]"),
        ({"target": [[1.0, 0.0]]}, "target"),
        ({"target": [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]}, "target"),
        ({"clip": 0.0}, "clip"),
    ],
)
def test_a_log_that_cannot_be_used_is_refused(change: dict[str, object], field: str) -> None:
    given: dict[str, object] = {
        "arms": [0, 1, 0],
        "rewards": [1.0, 0.0, 1.0],
        "propensities": [0.5, 0.5, 0.5],
        "target": [[1.0, 0.0]] * 3,
        "clip": None,
        **change,
    }
    logged = Logged(given["arms"], given["rewards"], given["propensities"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as caught:
        weigh(logged, given["target"], given["clip"])  # type: ignore[arg-type]
    assert caught.value.faults[0].field == field


@pytest.mark.parametrize(
    ("interval", "field"),
    [
        (Interval(alpha=0.0), "interval.alpha"),
        (Interval(kind="bernstein", floor=0.1), "interval.high"),
        (Interval(kind="bernstein", low=0.0, high=1.0), "interval.floor"),
        (Interval(kind="bernstein", low=0.0, high=1.0, floor=1.5), "interval.floor"),
        (Interval(kind="bernstein", low=0.0, high=1.0, floor=0.9), "interval.floor"),
        (Interval(kind="bernstein", low=0.0, high=0.5, floor=0.1), "rewards"),
    ],
)
def test_an_interval_that_lacks_what_it_needs_is_refused(interval: Interval, field: str) -> None:
    world = World(0, 100)
    with pytest.raises(InvalidInput) as caught:
        ips(world.logged, world.target, interval=interval)
    assert caught.value.faults[0].field.startswith(field)


def test_there_is_no_bernstein_interval_of_a_ratio_and_none_of_wild_predictions() -> None:
    world = World(0, 100)
    with pytest.raises(InvalidInput, match="ratio"):
        snips(world.logged, world.target, interval=BERNSTEIN)
    with pytest.raises(InvalidInput, match="beyond the bounds"):
        dr(world.logged, world.target, np.full((100, ARMS), 1.5), interval=BERNSTEIN)
    with pytest.raises(InvalidInput, match="predictions do not match"):
        dr(world.logged, world.target, np.zeros((100, 2)))


def test_effective_sample_size_counts_rows_of_equal_weight() -> None:
    assert effective_sample_size([2.0] * 7) == pytest.approx(7)
    assert effective_sample_size([1.0, 0.0, 0.0]) == 1
