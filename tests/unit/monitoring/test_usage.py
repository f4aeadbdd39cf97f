from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.feedback.schemas import SERVICE
from tropism.monitoring.usage import COLUMNS, Used, usage

MINUTE = 60 * SECOND
START = 19_844 * DAY
"""2024-05-01."""


def done(
    minute: int, task: str, seconds: float, process: str = "a", versions: Any = None, **more: Any
) -> dict[str, Any]:
    made = {1: 10} if versions is None else versions
    moments = {"at": START + minute * MINUTE, "process": process, "task": task, "seconds": seconds}
    counts = {"requests": 5, "errors": 0, "refused": 0, "degraded": 0, "outcomes": 0}
    return moments | counts | {"versions": list(made), "predictions": list(made.values())} | more


def used(minute: int, cpu: float, process: str = "a", gpu: float | None = None) -> dict[str, Any]:
    return {"at": START + minute * MINUTE, "process": process, "cpu_seconds": cpu, "gpu_seconds": gpu}


def of(*rows: dict[str, Any]) -> Used:
    return usage(pa.Table.from_pylist(list(rows), schema=SERVICE).select(COLUMNS))


def test_a_day_of_a_task_is_the_sum_of_its_minutes() -> None:
    found = of(
        done(1, "price", 1.0, versions={0: 2, 3: 8}, errors=1, refused=2),
        done(2, "price", 1.0, versions={3: 5, 4: 5}, outcomes=4, degraded=1),
        done(24 * 60, "price", 1.0),
        done(1, "churn", 1.0, versions={7: 1}),
    ).usage
    assert [(one.task, one.day, one.predictions) for one in found] == [
        ("churn", "2024-05-01", 1),
        ("price", "2024-05-01", 20),
        ("price", "2024-05-02", 10),
    ]
    assert found[1].versions == {0: 2, 3: 13, 4: 5}
    price = found[1]
    assert (price.requests, price.errors, price.refused, price.outcomes, price.degraded) == (10, 1, 2, 4, 1)


def test_processor_time_is_divided_by_the_time_that_requests_took() -> None:
    found = of(
        *(done(1, "price", 3.0), done(1, "churn", 1.0), used(1, 8.0, gpu=4.0)),
        *(done(1, "price", 5.0, "b"), used(1, 2.0, "b")),
        *(done(2, "churn", 0.5), used(2, 6.0)),
        used(3, 0.25, gpu=0.5),
    )
    churn, price = found.usage
    assert (churn.cpu_seconds, price.cpu_seconds) == (2.0 + 6.0, 6.0 + 2.0)
    assert (churn.gpu_seconds, price.gpu_seconds) == (1.0, 3.0)
    assert (found.idle_cpu_seconds, found.idle_gpu_seconds) == (0.25, 0.5)


def test_nothing_that_was_spent_is_lost_or_told_twice() -> None:
    random = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    for minute in range(200):
        for process in ("a", "b", "c"):
            rows.append(used(minute, float(random.uniform(0, 60)), process))
            rows += [done(minute, task, float(random.uniform(0, 9)), process) for task in "xy" if random.random() < 0.6]
    found = of(*rows)
    spent = sum(row.get("cpu_seconds", 0.0) for row in rows)
    assert sum(one.cpu_seconds for one in found.usage) + found.idle_cpu_seconds == pytest.approx(spent)
    assert found.idle_cpu_seconds > 0


def test_requests_that_only_failed_take_no_processor_time_of_others() -> None:
    found = of(done(1, "price", 0.0, requests=0, errors=5, versions={}), used(1, 4.0))
    (price,) = found.usage
    assert (price.errors, price.predictions, price.versions, price.cpu_seconds) == (5, 0, {}, 0.0)
    assert found.idle_cpu_seconds == 4.0


def test_a_month_of_four_processes_takes_seconds() -> None:
    minutes = np.tile(np.arange(30 * 1_440), 4)
    count = len(minutes)
    process = np.repeat(["a", "b", "c", "d"], count // 4)
    of_process = pa.table({"at": START + minutes * MINUTE, "process": process, "cpu_seconds": np.ones(count)})
    versions = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), pa.array(np.ones(count), pa.int32()))
    predictions = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), pa.array(np.full(count, 3)))
    of_model = of_process.drop_columns("cpu_seconds").append_column("task", pa.array(["price"] * count))
    for name, column in {"seconds": np.ones(count), "versions": versions, "predictions": predictions}.items():
        of_model = of_model.append_column(name, pa.array(column))
    rows = pa.concat_tables([of_process, of_model], promote_options="default")
    for name in set(COLUMNS) - set(rows.column_names):
        rows = rows.append_column(name, pa.nulls(rows.num_rows, SERVICE.field(name).type))
    rows = rows.select(COLUMNS).cast(pa.schema([SERVICE.field(name) for name in COLUMNS]))
    started = time.process_time()
    found = usage(rows)
    assert time.process_time() - started < 3
    assert len(found.usage) == 30
    assert sum(one.predictions for one in found.usage) == 3 * count
    assert sum(one.cpu_seconds for one in found.usage) == pytest.approx(count)
