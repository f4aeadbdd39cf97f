from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import TrainingFailed
from tropism.training.split import MIN_ROWS, time_split


@given(
    gaps=st.lists(st.integers(0, 5), min_size=1, max_size=300),
    delays=st.lists(st.integers(0, 200), min_size=1, max_size=20),
    most=st.integers(MIN_ROWS, 150),
)
def test_no_row_is_learnt_from_whose_label_was_unknown_at_the_split(
    gaps: list[int], delays: list[int], most: int
) -> None:
    at = np.cumsum(np.array(gaps, dtype=np.int64))
    known_at = at + np.resize(np.array(delays, dtype=np.int64), len(at))
    try:
        split = time_split(at, known_at, most)
    except TrainingFailed as error:
        assert error.faults[0].field == "rows"
        return
    begins = at[split.validation[0]]
    assert np.all(known_at[split.fit] < begins)
    assert np.all(np.diff(split.fit) > 0)
    assert split.fit[-1] < split.validation[0]
    assert list(split.validation) == list(range(len(at) - len(split.validation), len(at)))
    assert MIN_ROWS <= len(split.validation) <= max(most, MIN_ROWS)
    assert len(split.fit) >= MIN_ROWS
    left_out = np.setdiff1d(np.arange(split.validation[0]), split.fit)
    assert np.all(known_at[left_out] >= begins)


def test_a_third_is_kept_for_validation_up_to_a_limit() -> None:
    at = np.arange(300)
    assert len(time_split(at, at, 1_000).validation) == 100
    assert len(time_split(at, at, 40).validation) == 40


@pytest.mark.parametrize("rows", [0, 1, 19, 30])
def test_too_few_rows_say_how_many_are_needed(rows: int) -> None:
    at = np.arange(rows)
    with pytest.raises(TrainingFailed, match="too few") as refused:
        time_split(at, at, 1_000)
    assert refused.value.faults[0].value == str(rows)
    assert str(MIN_ROWS) in refused.value.faults[0].fix


def test_labels_that_all_come_late_leave_nothing_to_learn_from() -> None:
    at = np.arange(500)
    with pytest.raises(TrainingFailed):
        time_split(at, at + 1_000, 100)
