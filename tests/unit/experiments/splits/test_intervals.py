from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.confidence import asymptotic, tuning
from tropism.experiments.splits.cells import Estimate, Tally, cells
from tropism.experiments.splits.intervals import (
    Moments,
    difference_bounds,
    gbstats_interval,
    half_width,
    lift_bounds,
)

# What gbstats 0.8.0 gave: (n, mean, variance) of control and treatment, (alpha, tuning, relative), interval.
# `bench/gbstats_check.py` prints it, and compares 2,000 cases.
GBSTATS: list[tuple[Any, Any, Any, Any]] = [
    (
        [26822, 6.90832233863772, 46.401290336459304],
        [21912, 7.103972424586089, 49.482249403249014],
        (0.1, 500.0, False),
        [-0.014270990315179671, 0.4055711622119176],
    ),
    (
        [498, 0.6646586345381527, 0.22288753407203107],
        [244, 0.6762295081967213, 0.21894316044074172],
        (0.01, 5000.0, False),
        [-0.13590461730733955, 0.1590463646244769],
    ),
    (
        [568128, 8.396755041781791, 77.79595837993367],
        [17501, 8.011622534274471, 72.25260800578256],
        (0.05, 5000.0, True),
        [-0.07369875647853369, -0.0180348967222378],
    ),
    (
        [447, 0.5212527964205816, 0.24954831864430532],
        [77, 0.6493506493506493, 0.22769438353853938],
        (0.05, 50000.0, True),
        [-0.8090862894046998, 1.30058620579732],
    ),
    (
        [244767, 3.007775598296934, 9.25527351293506],
        [167925, 3.1518278943553177, 9.412427158344537],
        (0.05, 50000.0, False),
        [0.11289216308403158, 0.17521242903273618],
    ),
    (
        [1170, 0.3213675213675214, 0.2180904375776171],
        [1086, 0.3139963167587477, 0.2154026298206879],
        (0.1, 5000.0, False),
        [-0.06298915292314966, 0.04824674370560222],
    ),
]


@pytest.mark.parametrize(("old", "new", "setting", "theirs"), GBSTATS)
def test_our_sequence_is_that_of_gbstats(old: Any, new: Any, setting: Any, theirs: Any) -> None:
    alpha, tuned_at, relative = setting
    ours = gbstats_interval(Moments(*old), Moments(*new), alpha=alpha, tuned_at=tuned_at, relative=relative)
    assert [float(bound) for bound in ours] == pytest.approx(theirs, rel=1e-12, abs=1e-14)


def _estimate(old: Any, new: Any) -> Estimate:
    return Estimate.of(Tally.of(cells((old, new), (np.zeros(len(old), int), np.zeros(len(new), int)))).summed())


rng = np.random.default_rng(0)


def test_a_difference_has_the_width_of_a_single_mean_with_its_variance() -> None:
    values = rng.normal(size=400)
    path = asymptotic(values, alpha=0.05, plan=300)
    width = half_width(400, values.var(ddof=1) / 400, 0.05, tuning(300, 0.05))
    assert float(width) == pytest.approx(float(path.upper[-1] - path.mean[-1]), rel=1e-12)


def test_less_alpha_is_a_wider_bound_on_its_own_side() -> None:
    found = _estimate(rng.normal(size=500), rng.normal(size=500))
    (low, high), (lower, same) = (difference_bounds(found, alpha, 1_000) for alpha in ((0.05, 0.05), (0.01, 0.05)))
    assert float(lower) < float(low)
    assert float(same) == float(high)


def test_rare_events_that_may_only_not_have_come_widen_the_side_they_would_move() -> None:
    old, new = np.zeros(20_000), np.zeros(1_000)
    old[:400], new[:12] = 1.0, 1.0
    found = _estimate(old, new)
    lower, upper = difference_bounds(found, (0.05, 0.05), 5_000)
    assert float(upper - found.difference) > 1.1 * float(found.difference - lower)


@pytest.mark.parametrize("shift", [0.0, 5.0, -5.0])
def test_the_lift_passes_zero_with_the_difference_whatever_the_sign_of_the_control(shift: float) -> None:
    for effect in np.linspace(-0.3, 0.3, 21):
        found = _estimate(rng.normal(1 + shift, 1, 1_000), rng.normal(1 + shift + effect, 1, 1_000))
        difference, lift = difference_bounds(found, (0.05, 0.05), 2_000), lift_bounds(found, (0.05, 0.05), 2_000)
        assert [float(bound) > 0 for bound in difference] == [bound > 0 for bound in lift]
        assert lift[0] < float(found.difference) / abs(float(found.means[0])) < lift[1]


def test_a_control_that_may_be_zero_has_no_lift() -> None:
    assert lift_bounds(_estimate(rng.normal(size=200), rng.normal(1, 1, 200)), (0.05, 0.05), 400) == (-np.inf, np.inf)


def test_no_alpha_no_bounds() -> None:
    with pytest.raises(InvalidInput):
        difference_bounds(_estimate(rng.normal(size=50), rng.normal(size=50)), (0.7, 0.05), 400)
