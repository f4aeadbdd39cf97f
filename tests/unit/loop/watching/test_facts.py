from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.core.clock import SECOND
from tropism.core.metric_names import METRIC_NAMES
from tropism.core.task import Feature
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.loop.watching.facts import Facts, FactSources, facts_of
from tropism.monitoring.costs import CostSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Place]

HOUR = 60 * MINUTE


def facts(place: Place, now: int, cpu_hour: float = 0.0) -> Facts:
    watched = place.look(now)
    sources = FactSources(place.platform.lake, place.platform.cohorts, CostSettings(cpu_hour=cpu_hour))
    return facts_of(sources, place.task, watched, now)


def fared(
    place: Place, start: int, right: float, count: int = 600, answered: float = 1.0, **columns: Any
) -> dict[str, Any]:
    """An hour of predictions of which so many come true, and outcomes of so many of them half a minute later."""
    made = times(start, start + HOUR, count)
    truth = np.arange(count) % 2
    hits = place.rng.permutation(count) < right * count
    rows = place.rows(count) | columns
    ids = place.served(made, rows, scores=np.where(hits == truth, 0.9, 0.1))
    told = int(answered * count)
    place.told(ids[:told], truth[:told], made[:told] + 30 * SECOND)
    return {"at": made, "truth": truth, "hits": hits, **rows}


def test_every_fact_is_of_a_metric_that_rules_may_use(place: Make) -> None:
    one = place(task_of(segments=("c",)))
    one.begun()
    fared(one, START, 0.9)
    found = facts(one, START + HOUR + 11 * MINUTE)
    for key in found:
        name, _, argument = key.partition(":")
        assert name in METRIC_NAMES
        assert not argument or METRIC_NAMES[name].of


def test_of_a_task_that_nobody_asked_nothing_is_known(place: Make) -> None:
    assert {name for name, value in facts(place(), START).items() if value is not None} == set()


def test_performance_of_what_matured_in_the_period(place: Make) -> None:
    one = place()
    one.begun()
    fared(one, START, 0.9, answered=0.5)
    rows = fared(one, START + HOUR, 0.7)
    found = facts(one, START + 2 * HOUR + 10 * MINUTE)
    assert found["accuracy"] == pytest.approx(0.7, abs=0.01)
    true = rows["truth"] == 1
    assert found["recall"] == pytest.approx(np.mean(rows["hits"][true]), abs=0.01)
    assert found["precision"] == pytest.approx(0.7, abs=0.05)
    assert found["f1"] == pytest.approx(0.7, abs=0.05)
    assert found["auc"] == pytest.approx(0.7, abs=0.05)
    assert found["loss"] == pytest.approx(0.7 * 0.01 + 0.3 * 0.81, abs=0.01)
    assert found["baseline_loss"] == pytest.approx(0.25, abs=0.01)
    assert found["label_delay"] == 30
    assert found["label_coverage"] == 1.0
    assert facts(one, START + HOUR + 10 * MINUTE)["label_coverage"] == 0.5


def test_of_few_outcomes_the_last_hundred_are_taken_wherever_they_are(place: Make) -> None:
    one = place()
    one.begun()
    fared(one, START, 0.9, count=150)
    now = START + 5_000 * HOUR
    one.served([now - MINUTE], one.rows(1))
    found = facts(one, now)
    assert found["accuracy"] == pytest.approx(0.9, abs=0.05)
    assert facts(one, START + 20 * MINUTE)["accuracy"] is None


def test_numbers_have_their_own_metrics(place: Make) -> None:
    one = place(task_of(kind="regression"))
    one.begun()
    made = times(START, START + HOUR, 600)
    ids = one.served(made, one.rows(600), scores=np.full(600, 12.0))
    one.told(ids, np.full(600, 10.0), made + MINUTE)
    found = facts(one, START + HOUR + 10 * MINUTE)
    assert (found["mae"], found["rmse"]) == (2.0, 2.0)
    assert found["mape"] == pytest.approx(0.2)
    assert found.get("accuracy") is None


def test_columns_are_told_by_feature(place: Make) -> None:
    one = place(task_of((Feature("a", maximum=1.0), Feature("b"), Feature("c", type="category"))))
    one.begun()
    values = np.full(600, 0.5)
    values[:300] = 2.0
    missing = one.rng.normal(size=600).astype(object)
    missing[:150] = None
    fared(one, START, 0.9, a=values, b=missing)
    found = facts(one, START + HOUR - 1 + 20 * SECOND)
    assert found["out_of_range:a"] == pytest.approx(0.5, abs=0.01)
    assert found["missing:b"] == pytest.approx(0.25, abs=0.01)
    assert found["missing:a"] == 0.0
    assert found["freshness"] == pytest.approx(26, abs=0.1)


def test_drift_is_told_of_all_and_of_each_feature(place: Make) -> None:
    one = place()
    one.begun(20_000)
    fared(one, START, 0.9, a=one.rng.normal(1, 1, 600))
    found = facts(one, START + HOUR + 10 * SECOND)
    assert (found["drift"] or 0) >= 0.8
    assert (found["drift:a"] or 0) >= 0.8
    assert found["drift:b"] is not None
    assert found["drift:b"] < 0.5
    assert found["decay"] is not None
    assert found["decay"] < 0.5


def test_segments_are_told_apart(place: Make) -> None:
    one = place(task_of(segments=("c", "large: b > 0")))
    one.begun()
    rows = fared(one, START, 0.8)
    found = facts(one, START + HOUR + 10 * MINUTE)
    for name, inside in (("c = x", rows["c"] == "x"), ("large", rows["b"] > 0)):
        own = inside & (rows["at"] > START)  # the period begins after the first
        assert found[f"accuracy:{name}"] == pytest.approx(np.mean(rows["hits"][own]), abs=0.01)
        assert found[f"label_coverage:{name}"] == 1.0
    now = START + HOUR
    assert facts(one, now)["predictions:large"] == np.sum(rows["b"] > 0)


def measured(place: Place, at: int, task: str | None, **values: Any) -> None:
    """A minute of a data plane in the lake."""
    row = {
        **dict.fromkeys(SERVICE.names),
        "at": at,
        "start": at - MINUTE,
        "process": "p",
        "task": task,
        "writer": "s",
        "seq": at,
        **values,
    }
    place.platform.lake.append(SERVICE_NAME, pa.Table.from_pylist([row], schema=SERVICE))


def test_service_and_cost(place: Make) -> None:
    one = place(task_of(cost_per_1000=0.5))
    one.begun()
    latency = [0] * 52
    latency[20] = 100
    made = {"versions": [1], "predictions": [1_800], "requests": 100, "latency": latency, "seconds": 1.0}
    measured(one, START + 30 * MINUTE, "price", **made, errors=25, refused=3, degraded=0, outcomes=0)
    measured(one, START + 30 * MINUTE, None, cpu_seconds=36.0, memory_bytes=1_000)
    found = facts(one, START + HOUR, cpu_hour=10.0)
    assert found["predictions"] == 1_800
    assert found["throughput"] == 0.5
    assert found["error_rate"] == 0.2
    assert found["latency_p50"] is not None
    assert 0 < found["latency_p50"] <= (found["latency_p99"] or 0)
    assert found["memory_bytes"] == 1_000
    assert found["cost"] == pytest.approx(1.8 * 0.5 + 36 / 3_600 * 10)
    assert facts(one, START + 3 * HOUR)["predictions"] is None
