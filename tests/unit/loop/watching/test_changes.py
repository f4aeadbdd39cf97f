"""The clock jumps, or the settings change, between two looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.loop.watching.place import MINUTE, START, Place, ends, levels, minutes, task_of, times

from tropism.core.clock import DAY, SECOND
from tropism.loop.watching.watch import FEATURES as KIND

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Place]

YEAR = 365 * DAY


def test_a_clock_that_jumps_a_year_ahead_and_back_loses_no_window_and_counts_none_twice(place: Make) -> None:
    one = place()
    one.begun()
    one.look(minutes(one, 2))
    one.look(START + YEAR)
    one.served(times(START + YEAR, START + YEAR + 2 * MINUTE, 200), one.rows(200))
    assert one.look(START + YEAR + 3 * MINUTE).monitors[KIND].rows == 400
    minutes(one, 3, start=START + 2 * MINUTE)  # while the clock was wrong elsewhere only, and after
    assert one.look(START + 5 * MINUTE + 10 * SECOND).monitors[KIND].rows == 700
    assert one.look(minutes(one, 1, start=START + 5 * MINUTE)).monitors[KIND].rows == 800
    one.look(START + YEAR - MINUTE)
    one.served(times(START + YEAR + 2 * MINUTE, START + YEAR + 3 * MINUTE, 100), one.rows(100))
    last = one.look(START + YEAR + 4 * MINUTE).monitors[KIND]
    assert (last.rows, last.windows) == (900, 9)
    assert len(ends(one)) == len(set(ends(one))) == 9
    assert levels(one)["rows"].to_pylist() == [100] * 9


def test_a_clock_that_steps_back_by_less_than_a_minute_is_no_event(place: Make) -> None:
    one = place()
    one.begun()
    now = minutes(one, 3)
    before = one.look(now).monitors[KIND]
    assert one.look(now - 50 * SECOND).monitors[KIND] == before
    assert one.look(now - 50 * SECOND).monitors[KIND].turns == 0


def test_a_feature_that_is_ignored_from_now_on_is_let_go(place: Make) -> None:
    one = place()
    one.begun()
    assert one.look(minutes(one, 10, shift=2.0)).monitors[KIND].score >= 0.8
    one.change(task_of(ignore=("a",)))
    now = minutes(one, 10, start=START + 10 * MINUTE, shift=2.0)
    found = one.look(now).monitors[KIND]
    assert set(found.columns) == {"b", "c"}
    assert (found.score < 0.5, found.windows) == (True, 10)
    assert len(ends(one)) == 20


def test_other_settings_hold_from_the_next_look_on(place: Make) -> None:
    one = place()
    one.begun()
    before = one.look(minutes(one, 20, shift=0.15)).monitors[KIND]
    one.change(task_of(false_alarms="1d"))
    after = one.look(minutes(one, 1, start=START + 20 * MINUTE, shift=0.15)).monitors[KIND]
    assert after.run_length == before.run_length / 30
    assert after.score > before.score
    assert after.windows == 21
