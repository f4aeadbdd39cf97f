from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from tropism.core.clock import DAY
from tropism.monitoring.alarm.dependence import cycle_of, season, slots, tempering

HOUR = DAY // 24
RNG = np.random.default_rng(5)


def autoregressive(n: int, rho: float) -> np.ndarray:
    noise = RNG.normal(size=n + 500) * np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise)[500:])


def test_independent_rows_are_not_tempered() -> None:
    found = [tempering(RNG.normal(size=n)) for n in (200, 2_000, 50_000) for _ in range(40)]
    assert np.mean(np.array(found) == 1.0) > 0.9
    assert max(found) < 3


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_an_autoregression_is_tempered_by_its_long_run_variance(rho: float) -> None:
    found = np.median([tempering(autoregressive(20_000, rho)) for _ in range(20)])
    truth = (1 + rho) / (1 - rho)
    assert truth * 0.8 < found < truth * 1.5


def test_what_only_minutes_share_is_seen_too() -> None:
    values = RNG.normal(size=50_000) + np.repeat(RNG.normal(size=50) * 0.3, 1_000)
    assert tempering(values) > 30


def test_the_longest_cycle_that_times_repeat() -> None:
    assert cycle_of(np.array([0, 2 * DAY])) == 1
    assert cycle_of(np.array([0, 3 * DAY])) == 24
    assert cycle_of(np.array([0, 14 * DAY])) == 168
    assert cycle_of(np.array([], dtype=np.int64)) == 1


def test_slots_of_the_week_begin_on_monday() -> None:
    monday = 4 * DAY  # 5 January 1970
    assert slots(np.array([monday, monday + 25 * HOUR]), 168).tolist() == [0, 25]
    assert slots(np.array([monday + 25 * HOUR]), 24).tolist() == [1]


def test_a_daily_season_is_found_and_noise_has_none() -> None:
    at = np.arange(10 * 24 * 20) * (HOUR // 20)
    daily = np.sin(2 * np.pi * (at % DAY) / DAY)
    rows = np.stack([daily + RNG.normal(size=len(at)), RNG.normal(size=len(at))])
    found = season(rows, at, 24)
    assert found is not None
    assert found.cycles == 10
    assert np.corrcoef(found.means[:, 0], np.sin(2 * np.pi * (np.arange(24) + 0.5) / 24))[0, 1] > 0.98
    assert not found.means[:, 1].any()
    assert season(rows[1:], at, 24) is None
