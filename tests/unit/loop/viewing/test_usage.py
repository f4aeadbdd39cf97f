from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import UnknownTask
from tropism.core.events import LATENCY_BOUNDS
from tropism.core.monitoring import Monitoring
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.loop.viewing.service import service_of
from tropism.loop.viewing.usage import costs_of, usage_of
from tropism.monitoring.costs import CostSettings

Make = Callable[..., Any]


def told(one: Any, task: str, days_ago: float, predictions: int, seconds: float = 1.0) -> None:
    """A minute in which a process answered for a task, and took two seconds of a core."""
    at = one.now - int(days_ago * DAY)
    empty = dict.fromkeys(SERVICE.names) | {
        "at": at,
        "start": at - 60 * SECOND,
        "process": "p",
        "writer": "w",
    }
    buckets = [0] * (len(LATENCY_BOUNDS) + 1)
    buckets[20] = predictions
    model = {"task": task, "versions": [0, 1], "predictions": [1, predictions - 1], "requests": predictions}
    model |= {"latency": buckets, "seconds": seconds, "errors": 1, "refused": 0, "degraded": 1, "outcomes": 5}
    used = {"cpu_seconds": 2.0, "memory_bytes": 10**8, "gpus": 0}
    rows = [empty | model | {"seq": at}, empty | used | {"seq": at + 1}]
    one.platform.lake.append(SERVICE_NAME, pa.Table.from_pylist(rows, schema=SERVICE))


@pytest.fixture
def used(stand: Make) -> Any:
    one = stand(monitoring=Monitoring(cost_per_1000=2.0))
    told(one, "world", 3, 100)
    told(one, "world", 0.01, 50)
    told(one, "other", 1, 500)
    return one


def test_use_is_told_by_task_and_day(used: Any) -> None:
    view: Any = usage_of(used.sources)
    assert [(one.task, one.predictions, len(one.days)) for one in view.tasks] == [("other", 500, 1), ("world", 150, 2)]
    world = usage_of(used.sources, "world", since=used.now - DAY).tasks[0]
    assert (world.predictions, world.versions, world.errors, world.cpu_seconds) == (50, {0: 1, 1: 49}, 1, 2.0)


def test_costs_follow_the_prices_of_task_and_project(used: Any) -> None:
    prices = CostSettings(cpu_hour=3_600.0, per_1000=1.0, currency="EUR")
    view: Any = costs_of(replace(used.sources, prices=prices))
    costs = {one.task: one for one in view.tasks}
    assert view.currency == "EUR"
    assert (costs["world"].per_1000, costs["world"].cost.predictions, costs["world"].cost.cpu) == (2.0, 0.3, 4.0)
    assert (costs["other"].per_1000, costs["other"].cost.total) == (1.0, 2.5)
    assert view.total == pytest.approx(6.8)
    assert sum(day.cost.total for day in costs["world"].days) == pytest.approx(costs["world"].cost.total)


def test_service_of_a_task_and_in_parts(used: Any) -> None:
    view: Any = service_of(used.sources, "world", since=used.now - 4 * DAY, bins=4)
    assert view.whole.models.keys() == {"world"} and view.whole.processes.keys() == {"p"}
    assert view.whole.models["world"].predictions == 150 and view.whole.models["world"].latency_p95 > 0
    assert [sum(one.predictions for one in part.models.values()) for part in view.series] == [0, 100, 0, 50]
    assert service_of(used.sources).whole.models.keys() == {"other", "world"}


def test_a_time_of_which_nothing_was_told(stand: Make) -> None:
    one = stand()
    assert usage_of(one.sources, "world").tasks[0].predictions == 0
    assert usage_of(one.sources).tasks == ()
    for view in (usage_of(one.sources), costs_of(one.sources), service_of(one.sources)):
        assert "no data plane" in view.waiting
    assert costs_of(one.sources, "world").total == 0
    with pytest.raises(UnknownTask):
        costs_of(one.sources, "nix")
