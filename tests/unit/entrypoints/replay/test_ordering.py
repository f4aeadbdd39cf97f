from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.ordering import START, order_events
from tropism.entrypoints.replay.source import Source, read_source

Save = Callable[..., Path]


def source(save: Save, *times: str) -> Source:
    return read_source(save("\n".join(["when,x", *(f"{time},{i}" for i, time in enumerate(times))]) + "\n"))


def test_file_order_is_one_second_apart(save: Save) -> None:
    order = order_events(source(save, "b", "a", "c"), None)
    assert order.at.tolist() == [START, START + SECOND, START + 2 * SECOND]
    assert order.rows.tolist() == [0, 1, 2]


def test_unsorted_times_are_sorted_stably_and_it_is_said(save: Save) -> None:
    order = order_events(source(save, "2020-01-03", "2020-01-01", "2020-01-02", "2020-01-01"), "when")
    assert order.rows.tolist() == [1, 3, 2, 0]
    assert np.all(np.diff(order.at) >= 0)
    assert any("2 rows come earlier" in note for note in order.notes)
    assert any("1 events have the same time" in note for note in order.notes)


def test_the_limit_takes_the_earliest(save: Save) -> None:
    order = order_events(source(save, "2020-01-03", "2020-01-01", "2020-01-02"), "when", limit=2)
    assert order.rows.tolist() == [1, 2]


def test_the_first_cell_that_is_no_time_is_named(save: Save) -> None:
    with pytest.raises(DataInvalid, match="line 4: when is not a time; 2 of 4 rows") as caught:
        order_events(source(save, "2020-01-01", "2020-01-02", "0201-04-27", ""), "when")
    assert "'0201-04-27' in line 4" in caught.value.faults[0].value


def test_a_missing_time_is_named(save: Save) -> None:
    with pytest.raises(DataInvalid, match="line 3") as caught:
        order_events(source(save, "2020-01-01", "", "2020-01-03"), "when")
    assert caught.value.faults[0].value == "nothing in line 3"


@pytest.mark.parametrize("times", [("0.1", "0.2", "0.3"), ("a", "b", "c"), ("true", "false", "true")])
def test_a_column_that_holds_no_times_is_answered_with_file_order(save: Save, times: tuple[str, ...]) -> None:
    with pytest.raises(DataInvalid) as caught:
        order_events(source(save, *times), "when")
    assert "leave --time out" in caught.value.faults[0].fix


def test_times_that_never_change_are_refused(save: Save) -> None:
    with pytest.raises(DataInvalid, match="every event has the same time"):
        order_events(source(save, "2015", "2015", "2015"), "when")


def test_an_ambiguous_date_is_said(save: Save) -> None:
    order = order_events(source(save, "01/02/2020", "02/03/2020"), "when")
    assert "the other way round" in order.notes[0]
