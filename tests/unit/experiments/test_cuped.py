from __future__ import annotations

import numpy as np
import pytest

from tropism.experiments.cuped import adjust


def test_keeps_the_mean_and_drops_what_was_known_before() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(10, 3, 2_000)
    values = 0.8 * known + rng.normal(0, 1, 2_000)
    adjusted, kept = adjust(values, known)
    assert adjusted.mean() == pytest.approx(values.mean())
    assert kept == pytest.approx(float(np.var(adjusted) / np.var(values)))
    assert kept == pytest.approx(1 / (1 + 0.64 * 9), rel=0.1)


def test_an_unrelated_or_constant_covariate_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=500)
    assert adjust(values, rng.normal(size=500)).kept > 0.97
    constant = adjust(values, np.ones(500))
    assert constant.kept == 1.0
    assert np.array_equal(constant.values, values)


def test_variants_adjusted_around_one_center_keep_their_difference() -> None:
    rng = np.random.default_rng(2)
    known = rng.normal(size=4_000)
    treated = np.arange(4_000) % 2 == 1
    values = known + 0.3 * treated + rng.normal(0, 0.1, 4_000)
    adjusted = adjust(values, known, center=float(known.mean())).values
    assert adjusted[treated].mean() - adjusted[~treated].mean() == pytest.approx(0.3, abs=0.02)


def test_too_few_values_are_left_alone() -> None:
    assert adjust([1.0, 2.0], [1.0, 2.0]).kept == 1.0
