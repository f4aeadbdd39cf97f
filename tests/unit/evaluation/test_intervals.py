from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tropism.evaluation.intervals import Interval, mean, on_log_odds, proportion, resampled, smooth


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 10), (700, 1_000)])
def test_wilson_agrees_with_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    found = proportion(successes, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_mean_is_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    runs = [mean(rng.exponential(1.0, 200)) for _ in range(1_000)]
    assert 0.92 <= np.mean([run.low <= 1.0 <= run.high for run in runs]) <= 0.97


def test_the_log_odds_scale_stays_inside_and_keeps_the_value() -> None:
    found = on_log_odds(0.9, 0.1)
    assert 0 < found.low < 0.7 < 0.9 < found.high < 1
    assert on_log_odds(0.5, 1e-3).low == pytest.approx(0.5 - 1.96e-3, abs=1e-5)
    assert on_log_odds(1.0, 0.0) == Interval(1.0, 1.0, 1.0)
    extreme = on_log_odds(1e-9, 0.3)
    assert 0 <= extreme.low <= extreme.high <= 1


def test_bounds_stay_in_the_range() -> None:
    assert mean(np.array([0.0, 0.0, 0.1]), 0.0).low == 0.0
    assert smooth(0.99, np.array([1.0, -1.0]), 0.0, 1.0).high == 1.0


def test_resampling_is_drawn_from_the_seed() -> None:
    values = np.random.default_rng(1).random(100)

    def statistic(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float(counts @ values / counts.sum())

    first = resampled(statistic, 100, 7)
    assert first == resampled(statistic, 100, 7)
    assert first != resampled(statistic, 100, 8)
    expected = mean(values)
    assert first.value == pytest.approx(expected.value)
    assert first.high - first.low == pytest.approx(expected.high - expected.low, rel=0.2)


def test_an_interval_is_plain_data() -> None:
    import msgspec

    assert msgspec.json.encode(Interval(0.5, 0.25, 0.75)) == b'{"value":0.5,"low":0.25,"high":0.75}'
