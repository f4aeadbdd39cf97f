from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.clock import DAY, SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.delays import known_times, parse_delay, window_for


@pytest.mark.parametrize("text", ["-1", "-2d", "2 days", "soon", "", "1.5", "d"])
def test_a_delay_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        parse_delay(text)
    assert caught.value.faults[0].field == "--label-delay"
    assert "2d" in caught.value.faults[0].fix


def test_no_delay_means_known_before_the_next_event() -> None:
    known = known_times(np.array([0, 5, 5, 9]), parse_delay("0"))
    assert known.label_at.tolist() == [0, 5, 5, 9]
    assert known.known_from.tolist() == [1, 2, 3, 4]


def test_a_delay_in_events_is_exact_where_events_share_a_time() -> None:
    known = known_times(np.array([0, 0, 0, 0, 7]), parse_delay("2"))
    assert known.known_from.tolist() == [2, 3, 4, 5, 5]
    assert known.label_at[:3].tolist() == [0, 0, 7]


def test_a_delay_in_time_is_known_at_the_first_event_not_before_it() -> None:
    known = known_times(np.array([0, DAY, 2 * DAY, 2 * DAY, 5 * DAY]), parse_delay("2d"))
    assert known.label_at[0] == 2 * DAY
    assert known.known_from.tolist() == [2, 4, 4, 4, 5]


@given(
    gaps=st.lists(st.integers(0, 10 * SECOND), min_size=2, max_size=60),
    delay=st.sampled_from(["0", "1", "7", "500", "1s", "3500ms", "1d"]),
)
def test_a_label_is_never_used_before_it_is_known(gaps: list[int], delay: str) -> None:
    at = np.cumsum(np.array(gaps))
    label_at, known_from = known_times(at, parse_delay(delay))
    assert np.all(np.diff(label_at) >= 0)
    assert np.all(np.diff(known_from) >= 0)
    assert np.all(known_from > np.arange(len(at)))
    usable = known_from < len(at)
    assert np.all(at[known_from[usable]] >= label_at[usable])
    assert np.all(label_at <= at + parse_duration(window_for(at, label_at)))
