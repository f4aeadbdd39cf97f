"""What the alarm promises, by simulation: few false alarms, quick true ones, the right feature named.

Windows are drawn as counts, which is exact for independent rows; dependent ones are drawn row by row.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import norm

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature
from tropism.monitoring.alarm.dependence import slots
from tropism.monitoring.alarm.detector import ALARM, Detector, Level, State, examined
from tropism.monitoring.alarm.losses import refer_losses
from tropism.monitoring.alarm.reference import Reference, refer
from tropism.monitoring.watch.monitor import counted

Counts = NDArray[np.float64]
MONTH = 43_200
FEATURES, ROWS = 20, 1_000


@cache
def reference(rows: int, features: int = FEATURES) -> Reference:
    rng = np.random.default_rng(11)
    table = pa.table({f"f_x{f}": rng.normal(size=rows) for f in range(features)})
    return refer(table, np.arange(rows), [Feature(f"x{f}") for f in range(features)])


def windows(found: Reference, count: int, shifts: dict[int, float], rng: np.random.Generator) -> Counts:
    """Counts of `count` windows of ROWS independent standard normal rows, those of some features shifted."""
    bins = max(stream.binning.size for stream in found.streams)
    made = np.zeros((count, len(found.streams), bins))
    for f, stream in enumerate(found.streams):
        cumulative = norm.cdf(np.array([-np.inf, *stream.binning.edges, np.inf]) - shifts.get(f, 0.0))
        share = np.append(np.diff(cumulative), 0.0)
        made[:, f, : len(share)] = rng.multinomial(ROWS, share, size=count)
    return made


def alarms(levels: list[Level]) -> int:
    """How often the score rises to an alarm, each lasting until it is below 0.5."""
    count, on = 0, False
    for level in levels:
        count += not on and level.score >= ALARM
        on = level.score >= (0.5 if on else ALARM)
    return count


@pytest.mark.parametrize("rows", [500, 100_000])
def test_false_alarms_stay_within_the_budget(rows: int) -> None:
    found = reference(rows)
    detector, rng = Detector(examined(found), run_length=MONTH), np.random.default_rng(1)
    state, seen = detector.start(0), list[Level]()
    for _ in range(10):  # 10,000 windows, a week; the whole year is in bench/drift.py
        state, levels = detector.advance(state, windows(found, 1_000, {}, rng), np.arange(1_000))
        seen += levels
    assert alarms(seen) == 0


@pytest.mark.parametrize(("shift", "within"), [(0.05, 30), (0.1, 7), (0.2, 2)])
def test_a_shift_is_found_soon_and_the_feature_named(shift: float, within: int) -> None:
    found, rng = reference(1_000_000, 8), np.random.default_rng(2)
    detector = Detector(examined(found), run_length=MONTH)
    delays, named = [], 0
    for _ in range(15):
        state, _ = detector.advance(detector.start(0), windows(found, 20, {}, rng), np.arange(20))
        _, levels = detector.advance(state, windows(found, 60, {3: shift}, rng), np.arange(60))
        first = next((n for n, level in enumerate(levels) if level.score >= ALARM), 60)
        delays.append(first + 1)
        named += int(levels[min(first, 59)].columns.argmax() == 3)
    assert np.median(delays) <= within
    assert named >= 14


def test_dependent_rows_raise_no_more_alarms() -> None:
    rng = np.random.default_rng(3)

    def autoregressive(rows: int) -> pa.Table:
        noise = rng.normal(size=(rows + 300, 5)) * np.sqrt(1 - 0.9**2)
        values = lfilter([1.0], [1.0, -0.9], noise, axis=0)[300:]
        return pa.table({f"f_x{f}": values[:, f] for f in range(5)})

    rows = 400 * 500
    found = refer(autoregressive(50_000), np.arange(50_000), [Feature(f"x{f}") for f in range(5)])
    detector = Detector(examined(found), run_length=MONTH)
    seen = counted(found, autoregressive(rows), np.arange(rows), 500)
    _, levels = detector.advance(detector.start(0), seen.counts, seen.ends)
    assert alarms(levels) == 0
    untempered = [one._replace(tempering=np.ones_like(one.tempering)) for one in examined(found)]
    careless = Detector(untempered, run_length=MONTH)
    assert alarms(careless.advance(careless.start(0), seen.counts, seen.ends)[1]) > 0  # so the tempering matters


def test_a_season_raises_no_alarms_where_it_was_seen_before() -> None:
    rng = np.random.default_rng(4)
    step = DAY // 2_000

    def days(first: int, count: int) -> tuple[pa.Table, NDArray[np.int64]]:
        at = first * DAY + np.arange(count * 2_000) * step
        values = rng.normal(size=len(at)) + np.sin(2 * np.pi * (at % DAY) / DAY)
        return pa.table({"f_x": values}), at

    found = refer(*days(0, 10), [Feature("x")])
    assert found.slots == 24
    table, at = days(10, 10)
    seen = counted(found, table, at, DAY // 1_440)
    detector = Detector(examined(found), run_length=MONTH)
    matched = detector.advance(detector.start(0), seen.counts, seen.ends, slots(seen.ends - 1, found.slots))
    assert alarms(matched[1]) == 0
    assert detector.advance(detector.start(0), seen.counts, seen.ends)[1][-1].score >= matched[1][-1].score


def test_what_goes_missing_or_out_of_range_is_found() -> None:
    rng = np.random.default_rng(5)
    found = reference(100_000, 3)
    detector = Detector(examined(found), run_length=MONTH)
    for values in (np.where(rng.random(500) < 0.1, np.nan, rng.normal(size=500)), np.full(500, 99.0), np.ones(500)):
        table = pa.table({"f_x0": rng.normal(size=500), "f_x1": values, "f_x2": rng.normal(size=500)})
        seen = counted(found, table, np.arange(500), 50)
        level = detector.advance(detector.start(0), seen.counts, seen.ends)[1][-1]
        assert level.score >= ALARM
        assert level.columns.argmax() == 1


def test_a_column_that_is_gone_counts_as_missing_and_is_named() -> None:
    found = reference(100_000, 3)
    table = pa.table({"f_x0": np.zeros(10), "f_x2": ["text"] * 10})
    seen = counted(found, table, np.arange(10), 10)
    assert set(seen.problems) == {"x1", "x2"}
    assert seen.counts[0, 1, found.streams[1].binning.missing] == 10


def test_windows_may_be_taken_in_at_once_or_one_by_one() -> None:
    found, rng = reference(500), np.random.default_rng(6)
    detector = Detector(examined(found), run_length=MONTH)
    made = windows(found, 6, {1: 0.4}, rng)
    whole, levels = detector.advance(detector.start(7), made, np.arange(6))
    state = detector.start(7)
    for n in range(6):
        state, (level,) = detector.advance(state, made[n : n + 1], np.array([n]))
        assert level.score == levels[n].score
    assert state == whole
    assert detector.advance(whole, made[:0], np.empty(0, dtype=np.int64)) == (whole, [])


def test_evidence_dates_the_change() -> None:
    found, rng = reference(100_000), np.random.default_rng(7)
    detector = Detector(examined(found), run_length=MONTH)
    made = np.concatenate([windows(found, 100, {}, rng), windows(found, 20, {2: 0.3}, rng)])
    _, levels = detector.advance(detector.start(0), made, np.arange(1, 121))
    assert 95 <= levels[-1].since[2] <= 101


def test_small_windows_date_the_change_too() -> None:
    rng = np.random.default_rng(12)
    found = reference(100_000, 3)
    columns = rng.normal(size=(3, 6_000))
    columns[1, 4_000:] += 0.5
    table = pa.table({f"f_x{f}": column for f, column in enumerate(columns)})
    seen = counted(found, table, np.arange(6_000), 10)
    detector = Detector(examined(found), run_length=MONTH)
    _, levels = detector.advance(detector.start(0), seen.counts, seen.ends)
    assert 3_800 <= levels[-1].since[1] <= 4_200


def test_one_column_hides_no_other() -> None:
    found, rng = reference(100_000), np.random.default_rng(13)
    detector = Detector(examined(found), run_length=MONTH)
    state, _ = detector.advance(detector.start(0), windows(found, 100, {0: 1.0}, rng), np.arange(100))
    _, levels = detector.advance(state, windows(found, 20, {0: 1.0, 1: 0.2}, rng), np.arange(20))
    assert levels[-1].columns[:2].min() >= ALARM
    assert levels[-1].columns[2:].max() < 0.5


def test_an_alarm_ends_when_what_caused_it_ends() -> None:
    found, rng = reference(100_000), np.random.default_rng(8)
    detector = Detector(examined(found), run_length=MONTH)
    state, levels = detector.advance(detector.start(0), windows(found, 50, {2: 1.0}, rng), np.arange(50))
    assert levels[-1].score == 1.0
    _, levels = detector.advance(state, windows(found, 60, {}, rng), np.arange(60))
    assert levels[-1].score < 0.5


def test_a_rise_of_the_error_rate_is_found_and_a_fall_is_none() -> None:
    rng = np.random.default_rng(9)
    found = refer_losses(rng.random(20_000) < 0.1, 0, 1)
    detector = Detector(examined(found), run_length=1e6)
    for rate, alarmed in ((0.15, True), (0.1, False), (0.02, False)):
        seen = counted(found, pa.table({"f_loss": (rng.random(3_000) < rate).astype(float)}), np.arange(3_000), 1)
        levels = detector.advance(detector.start(0), seen.counts, seen.ends)[1]
        assert (levels[-1].score >= ALARM) == alarmed


def test_states_and_settings_that_do_not_fit_are_refused() -> None:
    detector = Detector(examined(reference(500)), run_length=MONTH)
    with pytest.raises(DataInvalid, match="another reference"):
        detector.advance(State(b"", b"", b""), np.zeros((1, FEATURES, detector.bins)), np.array([1]))
    with pytest.raises(InvalidInput, match="nothing to watch"):
        Detector([], run_length=MONTH)
    with pytest.raises(InvalidInput, match="number of windows"):
        Detector(examined(reference(500)), run_length=1)
