from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from tropism.core.errors import InvalidInput
from tropism.experiments.splits.arms import Arm
from tropism.experiments.splits.planning import Spread, plan_split, spread_of

ONE = Spread(control=1.0, treatment=1.0)


def test_a_fixed_plan_is_the_textbooks() -> None:
    plan = plan_split(0.1, ONE, per_day=10, alpha=0.025, sequential=False)
    # 2 (1.96 + 0.84)^2 / 0.1^2 = 1,570 in each variant.
    assert plan.units == pytest.approx(3_140, abs=10)
    assert plan.power == pytest.approx(float(ndtr(0.1 * np.sqrt(plan.units) / 2 - 1.95996)), abs=1e-4)


def test_looking_every_day_costs_units_and_a_small_share_many() -> None:
    fixed, often = (plan_split(0.1, ONE, per_day=200, sequential=each) for each in (False, True))
    assert fixed.units < often.units < 2.2 * fixed.units
    canary = plan_split(0.1, ONE, per_day=200, share=0.05)
    assert 4 < canary.units / often.units < 7
    assert canary.units_treatment == pytest.approx(0.05 * canary.units, abs=1)
    assert canary.units_control + canary.units_treatment == canary.units


def test_late_outcomes_add_their_delay_and_more_power_takes_longer() -> None:
    soon, late = (plan_split(0.1, ONE, per_day=300, delay_days=delay) for delay in (0, 7))
    assert (late.days, late.days_until_decided) == (soon.days, soon.days + 7)
    assert plan_split(0.1, ONE, per_day=300, power_wanted=0.95).days > soon.days
    assert plan_split(0.1, ONE, per_day=300, alpha=0.01).days > soon.days
    assert soon.power >= 0.8


def test_the_spread_is_taken_from_what_was_measured_before() -> None:
    rng = np.random.default_rng(0)
    visits = rng.poisson(3, 5_000) + 1
    spent = visits * rng.normal(2.0, 0.1, 5_000)
    assert spread_of("mean", Arm(spent)).control == pytest.approx(float(spent.std(ddof=1)))
    # Units that differ in visits, not in what a visit is worth, spread little as a ratio.
    assert spread_of("ratio", Arm(spent, over=visits)).control < 0.2
    both = spread_of("proportion", Arm([0, 1] * 10), 0.1)
    assert [both.control, both.treatment] == pytest.approx([0.5, 0.24**0.5])


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: plan_split(0.0, ONE, per_day=10), "effect"),
        (lambda: plan_split(0.1, ONE, per_day=0), "per_day"),
        (lambda: plan_split(0.1, ONE, per_day=10, share=1.0), "share"),
        (lambda: plan_split(0.1, ONE, per_day=10, alpha=0.5), "alpha"),
        (lambda: plan_split(0.1, ONE, per_day=10, power_wanted=1.0), "power_wanted"),
        (lambda: plan_split(0.1, ONE, per_day=10, delay_days=-1), "delay_days"),
        (lambda: plan_split(0.1, Spread(control=0, treatment=1), per_day=10), "spread"),
        (lambda: plan_split(0.001, ONE, per_day=10), "effect"),
        (lambda: plan_split(0.001, ONE, per_day=10, sequential=False), "effect"),
        (lambda: spread_of("proportion", Arm([0, 1]), 0.6), "effect"),
        (lambda: spread_of("proportion", Arm([0, 2])), "plan.before.values[1]"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused_by_name(call: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix
