from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from tropism.core.bandit import BanditSettings
from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.bandits.sharing import cells, chances, effects, floored
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.arms import Arm

CONVERTED = Metric(name="converted", of="outcome", kind="mean", goal="increase", role="decision")


class Ran(NamedTuple):
    """How a simulated bandit went: its last shares, and whether the treatment was ever called better."""

    shares: np.ndarray[Any, np.dtype[np.float64]]
    promoted: bool


def ran(
    rates: tuple[float, ...],
    *,
    seed: int,
    days: int = 20,
    units: int = 400,
    late: int = 3,
    settings: BanditSettings | None = None,
    swing: float = 0.0,
    judge: bool = False,
) -> Ran:
    """Days of units that are drawn by the shares of what was known `late` days before, and looked at each day."""
    rng, used = np.random.default_rng(seed), settings or BanditSettings()
    k = len(rates)
    start = np.full(k, 1 / k)
    shares, promoted = start, False
    arms, values, strata = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
    for day in range(days):
        own = rng.choice(k, units, p=shares)
        good = swing * np.sin(day)
        arms = np.concatenate([arms, own])
        values = np.concatenate([values, (rng.random(units) < np.array(rates)[own] + good).astype(float)])
        strata = np.concatenate([strata, np.full(units, day)])
        known = strata <= day - late
        each = [known & (arms == arm) for arm in range(k)]
        if not all(rows.any() for rows in each):
            continue
        measured = [Arm(values[rows], day=strata[rows]) for rows in each]
        if judge:
            promoted |= analyse(CONVERTED, *measured[:2], alpha=0.05, min_units=50).verdict == "better"
        found = cells([values[rows] for rows in each], [strata[rows] for rows in each])
        shares = floored(chances(used, found, start), used.floor)
    return Ran(shares, promoted)


@pytest.mark.parametrize("policy", ["thompson", "epsilon-greedy", "softmax"])
def test_the_better_variant_gets_most_though_rewards_are_three_days_late(policy: Any) -> None:
    settings = BanditSettings(policy=policy, temperature=0.03)
    shares = [ran((0.10, 0.16), seed=seed, settings=settings).shares[1] for seed in range(30)]
    assert np.mean(np.array(shares) > 0.8) >= 0.9, sorted(shares)[:5]


def test_the_best_of_three_gets_most() -> None:
    shares = [ran((0.10, 0.10, 0.18), seed=seed).shares[2] for seed in range(20)]
    assert np.median(shares) > 0.8


@pytest.mark.parametrize("swing", [0.0, 0.08])
def test_equal_variants_are_wrongly_promoted_in_no_more_than_alpha(swing: float) -> None:
    """15 of 300 runs are the 5% that are allowed; what is expected is less, so no tolerance is added."""
    wrong = sum(ran((0.2, 0.2), seed=seed, days=12, units=300, swing=swing, judge=True).promoted for seed in range(300))
    assert wrong <= 15, wrong


def test_a_good_day_is_not_taken_for_an_effect() -> None:
    """The first day is bad and all but only the control's; the plain means differ by 0.3, the variants by nothing."""
    control = np.concatenate([np.tile([0.0, 1.0], 450), np.tile([1.0, 1.0, 1.0, 1.0, 0.0], 20)])
    treatment = np.concatenate([np.tile([0.0, 1.0], 50), np.tile([1.0, 1.0, 1.0, 1.0, 0.0], 180)])
    days = [np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [100, 900])]
    assert treatment.mean() - control.mean() > 0.2
    assert effects(cells([control, treatment], days)).means == pytest.approx([0.0, 0.0], abs=1e-9)


def test_shares_stay_as_they_began_while_little_is_known() -> None:
    few = cells([[0.0] * 9, [1.0] * 9], [[0] * 9, [0] * 9])
    assert chances(BanditSettings(), few, [0.7, 0.3]).tolist() == [0.7, 0.3]


def test_values_that_never_differ_move_nothing() -> None:
    same = cells([[0.0] * 90, [0.0] * 90], [[0] * 90, [0] * 90])
    for policy in ("thompson", "epsilon-greedy", "softmax"):
        assert chances(BanditSettings(policy=policy), same, [0.7, 0.3]).tolist() == [0.7, 0.3]


def test_two_and_three_variants_agree_on_what_thompson_gives() -> None:
    rng = np.random.default_rng(1)
    values = [rng.normal(size=200), rng.normal(0.1, size=200)]
    two = chances(BanditSettings(), cells(values, [[0] * 200] * 2), [0.5, 0.5])
    worst = [*values, rng.normal(-9, size=200)]
    three = chances(BanditSettings(), cells(worst, [[0] * 200] * 3), [1 / 3] * 3)
    assert three[2] == 0 and 0.5 < two[1] < 1


@pytest.mark.parametrize("k", [2, 3, 7])
def test_every_variant_has_its_floor_and_all_have_everything(k: int) -> None:
    rng = np.random.default_rng(k)
    for _ in range(50):
        shares = floored(rng.dirichlet(np.full(k, 0.1)), 0.05, least=[k - 1])
        assert shares.min() >= 0.05 and shares.sum() == pytest.approx(1, abs=1e-12)
        assert shares[-1] == 0.05
        assert shares * 10_000 == pytest.approx(np.round(shares * 10_000), abs=1e-8)


def test_where_all_are_worse_the_control_gets_what_the_floors_leave() -> None:
    assert floored([0.2, 0.4, 0.4], 0.05, least=[1, 2]).tolist() == [0.9, 0.05, 0.05]


def test_floors_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"floor: got 0\.5; use less than 0\.5"):
        floored([1.0, 0.0], 0.5)
