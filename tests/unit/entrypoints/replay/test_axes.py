from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.axes import Scale, nice_ticks, tick_text, time_ticks
from tropism.core.clock import DAY, SECOND
from tropism.entrypoints.replay.axes import event_ticks
from tropism.entrypoints.replay.ordering import START

HOUR = 3_600 * SECOND


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), count=st.integers(2, 8))
def test_round_ticks_lie_inside_and_are_few(low: float, span: float, count: int) -> None:
    ticks = nice_ticks(low, low + span, count)
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    assert len(ticks) <= count + 2


def test_a_value_that_never_changes_has_one_tick() -> None:
    assert nice_ticks(3.0, 3.0) == [3.0]
    assert Scale(3.0, 3.0, 0.0, 10.0)(3.0) == 0.0


@pytest.mark.parametrize(
    ("span", "first"),
    [
        (6 * 366 * DAY, "1970"),
        (2 * 365 * DAY, "Jan 1970"),
        (40 * DAY, "1 Jan"),
        (2 * DAY, "1 Jan 00:00"),
        (2 * HOUR, "00:00"),
        (5 * 60 * SECOND, "00:00"),
    ],
)
def test_moments_are_written_as_their_span_asks(span: int, first: str) -> None:
    ticks = time_ticks(0, span, 6)
    assert ticks[0] == (0, first)
    assert 3 <= len(ticks) <= 13
    assert all(0 <= at <= span for at, _ in ticks)


def test_one_moment_has_ticks_too() -> None:
    assert len(time_ticks(5 * DAY, 5 * DAY)) <= 1


def test_events_are_counted_from_one() -> None:
    ticks = event_ticks(START, START + 99 * SECOND, 4)
    assert ticks == [(START + (event - 1) * SECOND, str(event)) for event in (25, 50, 75, 100)]


@pytest.mark.parametrize(("value", "step", "text"), [(0.1, 0.05, "0.10"), (0.0, 1e-6, "0"), (-3.0, 1.0, "-3")])
def test_ticks_have_the_decimals_of_their_step(value: float, step: float, text: str) -> None:
    assert tick_text(value, step) == text
