from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.monitoring.alarm.scores import MOST_CATEGORIES, Scores, mean_score, scores_of, smoothed
from tropism.monitoring.counts import count, freeze

RNG = np.random.default_rng(3)


def of(values: object, kind: str) -> tuple[Scores, np.ndarray]:
    column = pa.chunked_array([pa.array(values)])
    binning = freeze(column, kind)  # type: ignore[arg-type]
    counts = count(binning, column).astype(np.float64)
    return scores_of(binning, counts), counts


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=5_000), "number"),
        (RNG.integers(0, 3, 5_000).astype(float), "number"),
        ([1.0, None] * 300, "number"),
        ([7.0] * 500, "number"),
        ([None, 1.0] + [None] * 500, "number"),
        (pa.nulls(500, pa.float64()), "number"),
        (["a"] * 400 + ["b"] * 100 + [None] * 10, "category"),
        (["only"] * 500, "category"),
        ([f"v{i}" for i in range(500)], "category"),
        ([True, False, None] * 100, "boolean"),
    ],
)
def test_every_score_has_mean_0_and_variance_1_under_what_it_is_tested_against(values: object, kind: str) -> None:
    scores, counts = of(values, kind)
    assert scores.values.shape == scores.base.shape == (len(scores.names), len(counts))
    np.testing.assert_allclose((scores.values * scores.base).sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose((scores.values**2 * scores.base).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(scores.base.sum(axis=1), 1, atol=1e-9)
    assert scores.weights.sum() == pytest.approx(1)
    assert (scores.weights >= 0).all()


def test_the_first_score_of_numbers_is_a_shift_in_standard_deviations() -> None:
    scores, counts = of(RNG.normal(size=200_000), "number")
    assert scores.names[:4] == ("location", "spread", "skew", "tails")
    shifted = pa.chunked_array([pa.array(RNG.normal(size=200_000) + 0.2)])
    column = pa.chunked_array([pa.array(RNG.normal(size=200_000))])
    moved = count(freeze(column, "number"), shifted)
    assert moved.sum() == counts.sum()
    other = scores_of(freeze(column, "number"), count(freeze(column, "number"), column).astype(float))
    assert other.values[0] @ (moved / moved.sum()) == pytest.approx(0.2 * 0.977, abs=0.01)


def test_many_categories_share_a_bounded_number_of_scores() -> None:
    scores, _ = of([f"v{i % 40}" for i in range(4_000)], "category")
    assert len(scores.names) == MOST_CATEGORIES + 3
    assert scores.names[-3:] == ("rest", "other", "missing")


def test_only_a_rise_of_a_mean_is_looked_for() -> None:
    scores = mean_score(np.array([0.0, 1.0]), np.array([90.0, 10.0]))
    assert scores.weights.tolist() == [[1.0, 0.0]]
    assert scores.values[0, 1] > 0 > scores.values[0, 0]


def test_no_bin_is_impossible() -> None:
    assert (smoothed(np.array([0.0, 10.0])) > 0).all()
