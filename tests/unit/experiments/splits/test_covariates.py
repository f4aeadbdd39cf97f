"""An adjustment by what units did before: over many simulated experiments, looked at every day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tropism.core.metric import Metric
from tropism.experiments.cuped import adjust
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.arms import Arm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SPENT = Metric(name="spent", of="spent", goal="increase", role="decision")
DAYS, A_DAY = 12, 120


def first_better(rng: np.random.Generator, effect: float, *, adjusted: bool, returning: bool) -> int | None:
    """The day at whose end the treatment is first called better. Units with strong habits come first, as in life;
    `returning`: each comes back daily, and its figures add up. Habits have long tails."""
    n = DAYS * A_DAY
    habit = rng.gamma(0.5, 2.0, n)
    habit = np.concatenate([np.sort(habit)[::-1][: n // 3], rng.permutation(np.sort(habit)[::-1][n // 3 :])])
    day, treated = np.arange(n) // A_DAY, rng.random(n) < 0.3
    before = habit + rng.normal(0, 0.5, n)
    each = habit[:, None] + rng.normal(0, 0.5, (n, DAYS if returning else 1)) + effect * treated[:, None]
    for look in range(1, DAYS, 2):
        seen = day <= look
        since = np.arange(each.shape[1]) <= look - day[:, None]
        values = (each * since).sum(axis=1) if returning else each[:, 0]
        arms = [
            Arm(values[rows], covariate=before[rows] if adjusted else None, day=day[rows])
            for rows in (seen & ~treated, seen & treated)
        ]
        if analyse(SPENT, *arms).verdict == "better":
            return look
    return None


def share(found: list[int | None]) -> float:
    return sum(one is not None for one in found) / len(found)


@pytest.mark.parametrize("returning", [False, True])
def test_no_effect_is_called_better_in_at_most_the_share_allowed(returning: bool) -> None:
    """150 experiments of 6 looks, alpha 5%; the bounds are wide enough that no tolerance is needed."""
    rng = np.random.default_rng(7)
    assert share([first_better(rng, 0.0, adjusted=True, returning=returning) for _ in range(150)]) <= 0.05


def test_an_effect_is_found_more_often_and_sooner() -> None:
    """60 experiments with an effect of 0.08 deviations, each judged with and without the adjustment."""
    plain, adjusted = (
        [first_better(np.random.default_rng(seed), 0.12, adjusted=which, returning=False) for seed in range(60)]
        for which in (False, True)
    )
    assert share(adjusted) > share(plain) + 0.2
    ends = [np.median([DAYS if one is None else one for one in found]) for found in (adjusted, plain)]
    assert ends[0] < ends[1]


def test_heavy_users_who_come_first_hide_no_slope_within_a_day() -> None:
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(10), 100)
    known = rng.normal(size=1_000) - day
    values = known + 2 * day + rng.normal(0, 0.1, 1_000)
    assert adjust(values, known, groups=day).kept < 0.02
    assert adjust(values, known).kept > 0.3
