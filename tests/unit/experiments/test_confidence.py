from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from tropism.core.errors import InvalidInput
from tropism.experiments.confidence import asymptotic, radius, tuning


@pytest.mark.parametrize("plan", [50, 300, 5_000])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_no_other_tuning_is_tighter_at_the_plan(plan: int, alpha: float) -> None:
    best = minimize_scalar(lambda rho: float(radius(plan, alpha, rho)), bounds=(1e-3, 2), method="bounded")
    assert float(radius(plan, alpha, tuning(plan, alpha))) == pytest.approx(float(best.fun), rel=1e-6)
    one_sided = tuning(plan, alpha, one_sided=True)
    best = minimize_scalar(lambda rho: float(radius(plan, alpha, rho, one_sided=True)), bounds=(1e-3, 2))
    assert float(radius(plan, alpha, one_sided, one_sided=True)) == pytest.approx(float(best.fun), rel=0.02)


@pytest.mark.parametrize("n", [30, 300, 3_000])
def test_one_sided_bound_is_where_the_half_normal_mixture_passes_one_over_alpha(n: int) -> None:
    """The closed form of the paper is a little wider than the exact crossing, never narrower."""
    alpha, rho = 0.05, tuning(300, 0.05, one_sided=True)
    spread = n * rho**2 + 1
    reach = float(radius(n, alpha, rho, one_sided=True)) * n * rho / np.sqrt(spread)
    mixture = 2 / np.sqrt(spread) * np.exp(reach**2 / 2) * ndtr(reach)
    assert 1 <= mixture * alpha < 1.6


def test_bounds_hold_at_all_sample_sizes_together() -> None:
    rng = np.random.default_rng(1)
    missed = one_sided = 0
    for _ in range(600):
        values = rng.normal(1.0, 2.0, 1_000)
        path = asymptotic(values, alpha=0.1, plan=200)
        missed += bool(((path.lower[29:] > 1.0) | (path.upper[29:] < 1.0)).any())
        one_sided += bool((asymptotic(values, alpha=0.1, plan=200, one_sided=True).lower[29:] > 1.0).any())
    assert missed / 600 <= 0.1
    assert one_sided / 600 <= 0.1


def test_one_side_alone_is_closer_than_two() -> None:
    values = np.random.default_rng(0).normal(size=300)
    assert asymptotic(values, one_sided=True).lower[-1] > asymptotic(values).lower[-1]


def test_dependence_widens_and_the_first_value_has_no_bounds() -> None:
    values = np.random.default_rng(0).normal(size=100)
    plain, wide = asymptotic(values), asymptotic(values, inflation=4.0)
    assert wide.mean[-1] - wide.lower[-1] == pytest.approx(2 * (plain.mean[-1] - plain.lower[-1]))
    assert np.isneginf(plain.lower[0])
    assert np.isposinf(plain.upper[0])


def test_a_large_offset_does_not_lose_the_deviation() -> None:
    values = np.random.default_rng(0).normal(size=200)
    near, far = asymptotic(values), asymptotic(values + 1e9)
    assert far.upper[-1] - far.lower[-1] == pytest.approx(near.upper[-1] - near.lower[-1], rel=1e-5)


@pytest.mark.parametrize(("plan", "alpha", "one_sided"), [(0, 0.05, False), (100, 1.0, False), (100, 0.5, True)])
def test_what_makes_no_sense_is_refused(plan: int, alpha: float, one_sided: bool) -> None:
    with pytest.raises(InvalidInput) as caught:
        tuning(plan, alpha, one_sided=one_sided)
    assert caught.value.faults[0].field in {"plan", "alpha"}
