from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.splits.arms import Arm
from tropism.experiments.splits.novelty import Novelty, novelty

SPENT = Metric(name="spent", goal="increase")
CLICKS = Metric(name="clicks", kind="proportion", goal="increase")


def _told(seed: int, first: float, last: float, days: int = 10, per_day: int = 200) -> Novelty:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    # What is common to a day is not an effect.
    common = rng.normal(0, 2, days)[day]
    effect = first + (last - first) * day / max(days - 1, 1)
    old, new = (Arm(common + rng.normal(size=len(day)) + extra, day=day) for extra in (0.0, effect))
    return novelty(SPENT, old, new)


def test_an_effect_that_wears_off_is_told() -> None:
    found = _told(0, 1.0, 0.0)
    assert found.changes
    assert found.early is not None and found.late is not None and found.early > found.late
    assert found.trend == pytest.approx(-1 / 9, abs=0.03)
    assert found.change_upper is not None and found.change_upper < 0
    assert found.days == 10


def test_a_steady_effect_is_told_to_change_in_five_of_a_hundred_at_most() -> None:
    changes = sum(_told(seed, 0.5, 0.5, per_day=40).changes for seed in range(400))
    # Tolerance: two standard errors of 400 runs.
    assert changes / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_few_days_or_few_units_in_a_day_say_nothing() -> None:
    few = _told(0, 1.0, 0.0, days=3)
    assert (few.days, few.early, few.changes) == (3, None, False)
    assert _told(0, 1.0, 0.0, per_day=9).days == 0


def test_a_proportion_has_a_trend_too() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(8), 500)
    old, new = (Arm(rng.random(4_000) < rate, day=day) for rate in (0.1, 0.3 - 0.02 * day))
    assert novelty(CLICKS, old, new).changes


def test_a_quantile_and_a_level_that_is_none_are_refused() -> None:
    arm = Arm([1.0] * 20)
    for metric, alpha, field in ((Metric(name="p95", kind="quantile"), 0.05, "p95.kind"), (SPENT, 1.0, "alpha")):
        with pytest.raises(InvalidInput) as caught:
            novelty(metric, arm, arm, alpha=alpha)
        assert caught.value.faults[0].field == field
