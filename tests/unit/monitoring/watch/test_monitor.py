from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid
from tropism.core.task import Feature
from tropism.monitoring.alarm.reference import Reference, refer
from tropism.monitoring.watch.monitor import advanced, begin, counted

MINUTE = 60_000_000


def reference(rows: int = 20_000) -> Reference:
    rng = np.random.default_rng(1)
    table = pa.table({"f_a": rng.normal(size=rows), "f_b": rng.normal(size=rows)})
    return refer(table, np.arange(rows) * 1_000_000, [Feature("a"), Feature("b")])


def window(start: int, shift: float, count: int = 200, seed: int = 2) -> tuple[pa.Table, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    rows = pa.table({"f_a": rng.normal(size=count) + shift, "f_b": rng.normal(size=count)})
    return rows, start + np.arange(count) * (MINUTE // count)


def test_rows_are_counted_by_the_window_they_are_in() -> None:
    at = np.array([0, 1, MINUTE, 5 * MINUTE])
    found = counted(reference(), pa.table({"f_a": [0.0, 1.0, 2.0, None], "f_b": [0.0] * 4}), at, MINUTE)
    assert found.ends.tolist() == [MINUTE, 2 * MINUTE, 6 * MINUTE]
    assert found.counts.sum(axis=2).tolist() == [[2, 2], [1, 1], [1, 1]]
    assert found.problems == {}


def test_a_window_without_rows_is_none() -> None:
    monitor = begin(reference(), 0, run_length=1_000, tolerance=0.005)
    found = counted(reference(), window(0, 0.0)[0].slice(0, 0), np.empty(0, np.int64), MINUTE)
    after, levels = advanced(monitor, found, 9 * MINUTE)
    assert (after.until, after.windows, after.rows, levels) == (9 * MINUTE, 0, 0, [])


def test_an_alarm_lasts_until_its_cause_is_long_gone() -> None:
    made = reference()
    monitor = begin(made, 0, run_length=1_000, tolerance=0.005)
    alarms = []
    for minute in range(80):
        shift = 1.0 if 10 <= minute < 20 else 0.0
        rows, at = window(minute * MINUTE, shift, seed=minute)
        monitor, _ = advanced(monitor, counted(made, rows, at, MINUTE), (minute + 1) * MINUTE)
        alarms.append(monitor.alarm is not None)
    assert not any(alarms[:10])
    assert all(alarms[12:20])
    assert not alarms[-1]
    assert (monitor.alarms, monitor.windows, monitor.rows) == (1, 80, 16_000)


def test_a_column_that_is_gone_counts_as_missing_and_is_a_problem() -> None:
    found = counted(reference(), pa.table({"f_a": [0.0, 1.0]}), np.array([0, 1]), MINUTE)
    assert set(found.problems) == {"b"}
    assert found.counts[0, 1, reference().streams[1].binning.size - 1] == 2


def test_a_reference_without_columns_cannot_be_watched() -> None:
    rows = pa.table({"f_a": pa.nulls(200)})
    empty = refer(rows, np.arange(200), [Feature("a")], ignore=["a"])
    with pytest.raises(DataInvalid, match="no column can be watched"):
        begin(empty, 0, run_length=1_000, tolerance=0.005)
