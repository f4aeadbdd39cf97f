from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.task import Feature, Task
from tropism.entrypoints.replay.delays import known_times, parse_delay, window_for
from tropism.entrypoints.replay.ordering import START
from tropism.entrypoints.replay.stream import Stream
from tropism.entrypoints.replay.timeline import Step, outcome_window, step_events, step_length, steps


def stream_of(gaps: list[int], delay: str) -> Stream:
    """Events with these gaps (s) between them."""
    at = START + np.cumsum(np.array([0, *gaps], dtype=np.int64)) * SECOND
    known = known_times(at, parse_delay(delay))
    window = window_for(at, known.label_at)
    return Stream(
        task=Task(name="t", kind="binary", target="y", features=(Feature("x"),), outcome_window=window),
        features=pa.table({"x": np.arange(len(at), dtype=np.float64)}),
        labels=np.zeros(len(at)),
        at=at,
        label_at=known.label_at,
        known_from=known.known_from,
        delay_text=delay,
        time="at",
        notes=(),
        path=Path("data.csv"),
    )


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Long enough for steps of several events; bursts, ties and long pauses; delays in events and in time."""
    pattern = draw(st.lists(st.sampled_from([0, 0, 1, 1, 1, 2, 60, 3_600, 86_400]), min_size=1, max_size=30))
    count = draw(st.integers(2, 4_000))
    gaps = np.resize(np.array(pattern), count).tolist()
    unit = draw(st.sampled_from(["", "s", "m", "h"]))
    return stream_of(gaps, f"{draw(st.integers(0, 60))}{unit}")


@st.composite
def cases(draw: st.DrawFn) -> tuple[Stream, set[int]]:
    stream = draw(streams())
    return stream, draw(st.sets(st.integers(1, len(stream) - 1), max_size=20))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_event_is_predicted_once_in_order_and_no_step_crosses_a_boundary(case: tuple[Stream, set[int]]) -> None:
    stream, boundaries = case
    predicted = [step for step in steps(stream, boundaries) if step.kind == "predict"]
    events = [event for step in predicted for event in range(step.first, step.last)]
    assert events == list(range(len(stream)))
    assert boundaries <= {step.first for step in predicted}


@settings(max_examples=60, deadline=None)
@given(cases())
def test_outcomes_are_sent_once_and_neither_early_nor_missing_at_a_look(case: tuple[Stream, set[int]]) -> None:
    stream, boundaries = case
    done = 0
    sent: Counter[int] = Counter()
    for step in steps(stream, boundaries):
        if step.kind == "predict":
            known = set(np.flatnonzero(stream.known_from <= step.first).tolist())
            assert sent.keys() <= known, "a step of predictions follows an outcome that it must not know"
            if step.first in boundaries:
                assert sent.keys() == known, "a look must see every outcome that is known by then"
            done = step.last
        else:
            sent.update(range(step.first, step.last))
            assert np.all(stream.known_from[step.first : step.last] <= done), "an outcome comes before its event"
    assert max(sent.values(), default=1) == 1
    assert sent.keys() >= set(np.flatnonzero(stream.known_from < len(stream)).tolist())


@settings(max_examples=60, deadline=None)
@given(cases())
def test_time_never_goes_back_and_every_outcome_comes_within_its_window(case: tuple[Stream, set[int]]) -> None:
    stream, boundaries = case
    window = parse_duration(outcome_window(stream))
    now = 0
    for step in steps(stream, boundaries):
        assert step.now >= now
        now = step.now
        rows = slice(step.first, step.last)
        if step.kind == "predict":
            assert np.all(stream.at[rows] <= now), "nothing is predicted before it happens"
            assert stream.at[step.last - 1] - stream.at[step.first] <= step_length(stream)
            assert step.last - step.first <= step_events(stream)
        else:
            assert np.all(stream.label_at[rows] <= now), "nothing is known before it is"
            assert np.all(now - stream.at[rows] <= window)


def test_one_event_a_step_while_there_are_few() -> None:
    assert list(steps(stream_of([1] * 2, "1"), set())) == [
        Step("predict", 0, 1, START),
        Step("outcome", 0, 1, START + 1 * SECOND),
        Step("predict", 1, 2, START + 1 * SECOND),
        Step("outcome", 1, 2, START + 2 * SECOND),
        Step("predict", 2, 3, START + 2 * SECOND),
    ]


@pytest.mark.parametrize(("count", "most"), [(10, 1), (1_999, 1), (2_000, 2), (10_000, 10), (1_000_000, 25)])
def test_steps_grow_with_the_stream(count: int, most: int) -> None:
    class Long:
        def __len__(self) -> int:
            return count

    long: Any = Long()
    assert step_events(long) == most


def test_a_step_is_as_long_as_its_events_usually_take() -> None:
    assert step_length(stream_of([60] * 10, "0")) == 60 * SECOND
    assert step_length(stream_of([60] * 2_999, "0")) == 180 * SECOND
    assert step_length(stream_of([0] * 10 + [5], "0")) == 5 * SECOND


def test_the_window_is_the_longest_delay_and_a_step() -> None:
    assert outcome_window(stream_of([60] * 10, "2h")) == "7261s"
