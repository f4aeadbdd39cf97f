from __future__ import annotations

import msgspec
import pytest

from tropism.core.events import LATENCY_BOUNDS
from tropism.serving.meters import LATENCY_BUCKETS, Histogram, Meters
from tropism.serving.resources import Gpu, Resources


def test_a_value_falls_into_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram("h", "", ("model",), (1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value, "price")
    assert histogram.counts == {("price",): [2, 1, 1]}
    assert histogram.sums == {("price",): 12.0}


def counted() -> Meters:
    meters = Meters()
    meters.predictions.add("price", "3", "champion", by=5)
    meters.latency.observe(0.002, "price")
    meters.in_flight, meters.connections, meters.journal, meters.journaled = 2, 7, "w1", 41
    return meters


def test_meters_come_back_as_they_were_written_down() -> None:
    again = Meters.from_bytes(counted().to_bytes())
    assert again.predictions.values == {("price", "3", "champion"): 5}
    assert (again.latency.counts, again.latency.sums) == (counted().latency.counts, {("price",): 0.002})
    assert (again.in_flight, again.connections, again.journal, again.journaled) == (2, 7, "w1", 41)


def test_what_is_told_of_latency_is_some_of_what_is_counted() -> None:
    assert set(LATENCY_BUCKETS) < set(LATENCY_BOUNDS)


def used(cpu: float, memory: int | None = None, gpus: tuple[Gpu, ...] = ()) -> Meters:
    meters = Meters()
    meters.used(Resources(cpu_seconds=cpu, memory_bytes=memory, gpus=gpus))
    return meters


def test_what_processes_use_is_added_but_the_machine_has_its_gpus_once() -> None:
    total = used(2.0)
    total.take_over(
        [Meters.from_bytes(used(3.0, 500, (Gpu(0, 0.5, 9),)).to_bytes()), used(0.0, 200, (Gpu(0, 0.6, 9),))]
    )
    assert (total.cpu_seconds, total.memory_bytes, total.gpus) == (5.0, 700, (Gpu(0, 0.5, 9),))


def test_processor_time_never_falls() -> None:
    meters = used(5.0)
    for seconds in (4.0, 6.0):
        meters.used(Resources(cpu_seconds=seconds))
    assert meters.cpu_seconds == 6.0


def test_meters_of_an_older_release_are_read() -> None:
    saved = msgspec.json.decode(counted().to_bytes())
    for name in ("cpu_seconds", "memory_bytes", "gpus"):
        del saved[name]
    assert Meters.from_bytes(msgspec.json.encode(saved)).predictions.values == {("price", "3", "champion"): 5}


def test_what_others_counted_is_added() -> None:
    total = counted()
    total.take_over([counted(), Meters()])
    assert total.predictions.values == {("price", "3", "champion"): 10}
    assert sum(total.latency.counts["price",]) == 2
    assert total.latency.sums == {("price",): 0.004}
    assert (total.in_flight, total.connections, total.journaled) == (4, 14, 41)


def test_meters_of_another_release_lose_only_what_is_not_counted_here() -> None:
    data = counted().to_bytes().replace(b"ml_model_predictions_total", b"ml_something_else_total")
    again = Meters.from_bytes(data)
    assert again.predictions.values == {}
    assert sum(again.latency.counts["price",]) == 1


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"counters": 1}', b"\xff"])
def test_what_is_no_meters_is_a_value_error(damage: bytes) -> None:
    with pytest.raises(ValueError):
        Meters.from_bytes(damage)
