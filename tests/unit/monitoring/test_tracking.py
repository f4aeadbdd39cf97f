from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import InvalidInput
from tropism.core.task import Feature, Task
from tropism.monitoring.tracking import FACTS, Performance, current, track

MOMENT = pa.timestamp("us", "UTC")
HOUR = 3_600 * SECOND
BINARY = Task(name="t", kind="binary", target="y", features=(Feature("a"),), outcome_window="1h")
NUMBER = msgspec.structs.replace(BINARY, kind="regression")


def _table(at: Any, label: Any, scores: Any, **columns: Any) -> pa.Table:
    at = np.asarray(at, dtype=np.int64)
    rows = {"version": [1] * len(at), "label_at": at + 60 * SECOND, "answered": [True] * len(at), **columns}
    return pa.table(
        {
            "at": pa.array(at).cast(MOMENT),
            "version": pa.array(rows["version"], pa.int32()),
            "scores": pa.array(list(scores), pa.list_(pa.float64())),
            "label": pa.array(label, pa.float64()),
            "label_at": pa.array(rows["label_at"], pa.int64()).cast(MOMENT),
            "answered": pa.array(rows["answered"], pa.bool_()),
        }
    )


def _stream(n: int = 400) -> tuple[pa.Table, np.ndarray]:
    """Four days; version 1 is right 90% of the time for two days, then version 2 half of the time."""
    rng = np.random.default_rng(0)
    at, label = np.arange(n) * (4 * DAY // n), (rng.random(n) < 0.5).astype(float)
    right = rng.random(n) < np.where(at < 2 * DAY, 0.9, 0.5)
    scores = np.where(right, label, 1 - label)[:, None] * 0.8 + 0.1
    return _table(at, label, scores, version=np.where(at < 2 * DAY, 1, 2)), np.full((n, 1), 0.4)


def test_each_window_tells_each_version_beside_the_baseline_on_the_same_rows() -> None:
    table, baseline = _stream()
    found = track(BINARY, table, baseline, [0, DAY, 3 * DAY, 4 * DAY, 5 * DAY])
    assert [(w.start // DAY, w.version, w.rows) for w in found] == [
        *((0, None, 100), (0, 1, 100), (1, None, 200), (1, 1, 100), (1, 2, 100), (3, None, 100), (3, 2, 100)),
    ]
    old, new = found[3], found[4]
    assert old.metrics["accuracy"].value > 0.8 > 0.65 > new.metrics["accuracy"].value
    assert old.baseline["brier"].n == old.metrics["brier"].n == 100
    assert old.baseline["accuracy"].value == pytest.approx(0.5, abs=0.15)
    assert {"precision", "recall", "f1", "auc", "log_loss"} <= old.metrics.keys()
    assert (old.delay, old.delay_p90, old.coverage) == (60.0, 60.0, None)
    assert msgspec.json.decode(msgspec.json.encode(found), type=list[Performance]) == found


def test_regression_has_its_own_metrics() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(200, 1))
    table = _table(np.arange(200), scores[:, 0] + rng.normal(size=200), scores)
    (window, alone) = track(NUMBER, table, None, bins=1)
    assert window.metrics.keys() == {"mae", "mse", "rmse", "mape", "r2"}
    assert window.metrics["rmse"].value == pytest.approx(1.0, abs=0.15)
    assert window.baseline == {}
    assert alone == msgspec.structs.replace(window, version=1)


def test_coverage_counts_the_predictions_that_an_outcome_came_for() -> None:
    """Labels for half the rows; a label that the task assumes is no outcome."""
    table = _table(range(0, 100, 2), [1.0] * 50, [[0.9]] * 50, answered=[True] * 25 + [False] * 25)
    made = pa.table({"at": pa.array(range(200)).cast(MOMENT), "version": pa.array([1] * 150 + [2] * 50, pa.int32())})
    found = track(BINARY, table, None, [0, 50, 100, 200], predicted=made)
    assert [(w.version, w.rows, w.coverage, w.delay) for w in found] == [
        *((None, 25, 0.5, 60.0), (1, 25, 0.5, 60.0)),
        *((None, 25, 0.0, None), (1, 25, 0.0, None)),
        *((None, 0, 0.0, None), (1, 0, 0.0, None), (2, 0, 0.0, None)),
    ]
    assert found[-1].metrics == {}


def test_rows_that_do_not_fit_are_left_out_and_harm_no_other() -> None:
    scores = [[0.9], [], None, [0.1, 0.9], [float("nan")], [0.9], [0.9], [0.2]]
    label = [1.0, 1.0, 1.0, 1.0, 1.0, None, 7.0, 0.0]
    (window, _) = track(BINARY, _table(range(8), label, scores), None, bins=1)
    assert (window.rows, window.metrics["accuracy"].value) == (2, 1.0)


def test_rows_in_any_order_give_the_same() -> None:
    table, baseline = _stream()
    order = np.random.default_rng(2).permutation(table.num_rows)
    assert track(BINARY, table.take(pa.array(order)), baseline[order], 5) == track(BINARY, table, baseline, 5)


def test_no_rows_and_a_baseline_of_other_rows() -> None:
    empty = _table([], [], [])
    assert track(BINARY, empty, np.empty((0, 1)), 10) == []
    assert set(current(BINARY, empty, DAY, DAY).values()) == {None}
    with pytest.raises(InvalidInput, match="baseline"):
        track(BINARY, empty, np.empty((3, 1)), 10)
    multiclass = Task(name="t", kind="multiclass", target="y", features=(Feature("a"),), classes=("x", "y"))
    assert track(multiclass, empty, None, 10) == []


def test_current_is_over_what_matured_in_the_last_period() -> None:
    table, baseline = _stream()
    made = pa.table({"at": table["at"], "version": table["version"]})
    now = 4 * DAY + HOUR
    found = current(BINARY, table, 2 * DAY, now, baseline_scores=baseline, predicted=made)
    late = current(BINARY, table.slice(201), 9 * DAY, now, baseline_scores=baseline[201:], predicted=made.slice(201))
    assert found.keys() == {*FACTS}
    assert found == late
    assert found["accuracy"] is not None and found["accuracy"] < 0.65
    assert found["loss"] is not None and found["baseline_loss"] == pytest.approx(0.26, abs=0.03)
    assert (found["label_coverage"], found["label_delay"], found["mae"]) == (1.0, 60.0, None)
    # The outcome window of row 300, made at 3 days, is open for an hour: the row does not count yet.
    assert current(BINARY, table, 9 * DAY, 3 * DAY + HOUR - 1) == current(BINARY, table.slice(0, 300), 9 * DAY, now)


def test_current_takes_the_last_rows_where_the_period_has_few_and_says_nothing_of_fewer() -> None:
    table, _ = _stream()
    now = 9 * DAY
    few = current(BINARY, table, HOUR, now, least=100)
    assert few == current(BINARY, table.slice(300), 9 * DAY, now)
    assert few["accuracy"] is not None
    assert current(BINARY, table.slice(301), 9 * DAY, now)["accuracy"] is None
    assert current(BINARY, table, 9 * DAY, now, least=401)["label_delay"] is None
    assert current(NUMBER, table, 9 * DAY, now)["mae"] is not None


def test_half_the_labels_are_told_as_half() -> None:
    table, _ = _stream()
    made = pa.table({"at": table["at"], "version": table["version"]})
    half = table.take(pa.array(np.arange(0, 400, 2)))
    assert current(BINARY, half, 9 * DAY, 9 * DAY, predicted=made)["label_coverage"] == 0.5
