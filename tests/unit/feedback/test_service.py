"""What data planes measured, on its way into the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.clock import SECOND
from tropism.core.events import LATENCY_BOUNDS, Activity, Measured, encode
from tropism.feedback.schemas import SERVICE

if TYPE_CHECKING:
    from tests.unit.feedback.conftest import World

BUCKETS = len(LATENCY_BOUNDS) + 1


def measured(world: World, minute: int = 0, **changes: Any) -> Measured:
    requests = [0] * BUCKETS
    requests[10] = 4
    done = Activity(
        task="price", predictions={2: 7, 0: 1}, requests=requests, seconds=0.5, errors=1, refused=2, outcomes=3
    )
    start = world.after(60 * minute)
    given: dict[str, Any] = {
        "process": "shop-0",
        "start": start,
        "end": start + 60 * SECOND,
        "models": [done],
        "cpu_seconds": 1.5,
        "memory_bytes": 2_000,
    }
    return Measured(**given | changes)


def test_a_minute_becomes_a_row_of_its_process_and_one_of_each_task(world: World) -> None:
    world.send(measured(world))
    done = world.ingest()
    assert (done.predictions, done.rejected) == (0, 0)
    table = world.lake.read("_service")
    assert table.schema.equals(SERVICE)
    process, model = table.sort_by([("task", "descending")]).to_pylist()[::-1]
    if process["task"] is not None:
        process, model = model, process
    assert process["at"].timestamp() == world.after(60) / 1e6
    shared = {"process": "shop-0", "writer": "w0", "seq": 1}
    assert shared.items() <= process.items() and shared.items() <= model.items()
    assert {"cpu_seconds": 1.5, "memory_bytes": 2_000, "gpu_seconds": None, "requests": None}.items() <= process.items()
    assert (model["versions"], model["predictions"]) == ([0, 2], [1, 7])
    assert {
        "task": "price",
        "requests": 4,
        "seconds": 0.5,
        "errors": 1,
        "refused": 2,
        "degraded": 0,
        "outcomes": 3,
    }.items() <= model.items()
    assert (model["latency"][10], sum(model["latency"]), model["cpu_seconds"]) == (4, 4, None)


def test_each_minute_arrives_once_whatever_is_repeated(world: World) -> None:
    world.send(measured(world))
    world.predict("p1")
    world.ingest()
    world.cursors.values.clear()
    world.send(measured(world, minute=1), writer="w1")
    world.ingest()
    rows = world.lake.read("_service")
    assert rows.num_rows == 4
    assert sorted(set(rows["writer"].to_pylist())) == ["w0", "w1"]


def test_a_task_that_is_no_more_keeps_its_history(world: World) -> None:
    world.send(measured(world, models=[Activity(task="gone", errors=1)]))
    assert world.ingest().rejected == 0
    assert "gone" in world.lake.read("_service")["task"].to_pylist()


def test_the_same_record_may_hold_predictions_too(world: World) -> None:
    world.journal.append(encode([measured(world), measured(world, minute=1)]))
    world.ingest()
    assert world.lake.read("_service").num_rows == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start": 2**62}, "'start' is no time"),
        ({"start": 1_900_000_000 * SECOND}, "it ends before it starts"),
        ({"memory_bytes": -1}, "a count is out of range"),
        ({"gpus": 2**63}, "a count is out of range"),
        ({"cpu_seconds": float("nan")}, "seconds are out of range"),
        ({"models": [Activity(task="price", requests=[1, 2])]}, "'requests' has 2 buckets, not 52"),
        ({"models": [Activity(task="price", predictions={-1: 5})]}, "no version"),
        ({"models": [Activity(task="price", predictions={1: 2**60})]}, "a count is out of range"),
    ],
)
def test_what_cannot_be_kept_is_put_aside_with_the_reason(world: World, changes: dict[str, Any], reason: str) -> None:
    good = measured(world, minute=1)
    world.send(msgspec.structs.replace(measured(world), **changes))
    world.send(good)
    assert world.ingest().rejected == 1
    assert reason in world.lake.read("_rejected")["reason"][0].as_py()
    assert world.lake.read("_service").num_rows == 2
