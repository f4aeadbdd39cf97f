from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import SECOND
from tropism.core.events import LATENCY_BOUNDS
from tropism.feedback.schemas import SERVICE
from tropism.monitoring.service import BUCKETS, quantile, series, service

MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND


def counts(seconds: Any) -> list[int]:
    return np.bincount(np.searchsorted(LATENCY_BOUNDS, seconds), minlength=BUCKETS).tolist()  # type: ignore[no-any-return]


def done(minute: int, task: str = "price", process: str = "shop-0", seconds: Any = (), **more: Any) -> dict[str, Any]:
    """A row of a task, from the latencies of its requests."""
    moments = {"at": START + (minute + 1) * MINUTE, "start": START + minute * MINUTE, "process": process, "task": task}
    zero = dict.fromkeys(("errors", "refused", "degraded", "outcomes"), 0)
    asked = {
        "requests": len(seconds),
        "latency": counts(seconds) if len(seconds) else [],
        "seconds": float(sum(seconds)),
    }
    return moments | zero | asked | {"versions": [1], "predictions": [len(seconds)]} | more


def used(minute: int, process: str = "shop-0", minutes: int = 1, **more: Any) -> dict[str, Any]:
    """A row of a process."""
    end = START + (minute + 1) * MINUTE
    return {"at": end, "start": end - minutes * MINUTE, "process": process, "cpu_seconds": 0.0, "gpus": 0} | more


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SERVICE)


def test_rows_of_all_minutes_and_processes_add_up() -> None:
    rows = table(
        done(0, seconds=[0.002] * 30, errors=1),
        done(1, seconds=[0.002] * 30, refused=5),
        done(1, process="shop-1", seconds=[0.2] * 38, errors=1, degraded=3, outcomes=2, predictions=[380]),
        done(1, task="churn", errors=2),
        used(0),
    )
    found = service(rows, START, START + 3 * MINUTE)
    price, churn = found.models["price"], found.models["churn"]
    assert (price.predictions, price.requests, price.errors, price.refused) == (440, 98, 2, 5)
    assert (price.degraded, price.outcomes) == (3, 2)
    assert price.throughput == pytest.approx(440 / 180)
    assert price.error_rate == pytest.approx(0.02), "what the caller did wrong is not in it"
    assert price.latency_mean == pytest.approx((60 * 0.002 + 38 * 0.2) / 98)
    assert price.latency_p50 == pytest.approx(0.002, rel=0.28)
    assert price.latency_p95 == pytest.approx(0.2, rel=0.28)
    assert (churn.requests, churn.error_rate, churn.latency_p50) == (0, 1.0, None)


def test_a_row_belongs_to_the_moment_its_minute_ended() -> None:
    rows = table(*(done(minute, seconds=[0.01]) for minute in range(4)))
    assert service(rows, START + MINUTE, START + 3 * MINUTE).models["price"].requests == 2
    assert service(rows, START, START + MINUTE).models == {}


@pytest.mark.parametrize(("spread", "mostly"), [(0.05, 0.2), (0.5, 0.05), (1.5, 0.05)])
def test_quantiles_are_as_near_as_is_stated(spread: float, mostly: float) -> None:
    """Of log-normal latencies with that standard deviation of the logarithm."""
    random = np.random.default_rng(3)
    worst = []
    for scale in np.geomspace(0.0005, 0.5, 40):
        seconds = scale * np.exp(spread * random.normal(size=20_000))
        for share in (0.5, 0.95, 0.99):
            true = float(np.quantile(seconds, share))
            if 0.0001 < true < 10:
                worst.append(abs((quantile(counts(seconds), share) or 0.0) / true - 1))
    assert max(worst) < 0.28
    assert float(np.quantile(worst, 0.9)) < mostly


def test_quantiles_at_the_ends() -> None:
    assert quantile([0] * BUCKETS, 0.5) is None
    assert quantile(counts([60.0] * 5), 0.5) == 10.0, "told as the last bound"
    assert quantile(counts([0.00003]), 0.99) == pytest.approx(0.000099)
    assert quantile(counts([0.3, 0.3]), 1.0) == 0.315


def test_processes_tell_what_they_use() -> None:
    rows = table(
        used(0, cpu_seconds=30.0, memory_bytes=900, gpus=2, gpu_seconds=60.0, gpu_memory_bytes=7),
        used(1, cpu_seconds=60.0, memory_bytes=500, gpus=2, gpu_seconds=30.0, gpu_memory_bytes=8),
        used(59, minutes=58, cpu_seconds=0.0, memory_bytes=400),
        used(1, process="shop-1", cpu_seconds=6.0),
    )
    two = service(rows, START, START + 3 * MINUTE)
    assert two.processes["shop-0"].cpu == pytest.approx(0.75)
    assert two.processes["shop-0"].gpu == pytest.approx(90 / 240)
    assert (two.processes["shop-0"].memory_bytes, two.processes["shop-0"].gpu_memory_bytes) == (500, 8)
    assert (two.processes["shop-1"].gpu, two.processes["shop-1"].memory_bytes) == (None, None)
    hour = service(rows, START, START + 61 * MINUTE)
    assert hour.processes["shop-0"].cpu == pytest.approx(90 / 3_600), "quiet time counts as long as it was"


def test_rules_get_what_is_known_and_none_for_the_rest() -> None:
    rows = table(done(0, seconds=[0.6] * 10), used(0, cpu_seconds=6.0, memory_bytes=5), used(0, "b", memory_bytes=7))
    found = service(rows, START, START + 2 * MINUTE)
    facts = found.facts("price")
    assert facts["latency_p50"] == pytest.approx(0.6, rel=0.28)
    assert {"error_rate": 0.0, "predictions": 10, "memory_bytes": 12, "cpu": 0.1, "gpu": None}.items() <= facts.items()
    quiet = {"throughput": 0.0, "predictions": 0, "error_rate": None, "latency_p99": None}
    assert quiet.items() <= found.facts("churn").items()
    assert set(service(table(), START, START + 1).facts("price").values()) == {None}


def test_a_series_has_every_row_once() -> None:
    rows = table(*(done(minute, seconds=[0.01] * (minute + 1)) for minute in reversed(range(10))), used(3))
    bins = series(rows, START + 1, START + 10 * MINUTE + 1, 5)
    assert [one.models["price"].requests for one in bins] == [3, 7, 11, 15, 19]
    assert (bins[0].start, bins[-1].end) == (START + 1, START + 10 * MINUTE + 1)
    assert [one.end for one in bins[:-1]] == [one.start for one in bins[1:]]
    assert [len(one.processes) for one in bins] == [0, 1, 0, 0, 0]


def test_nothing_at_all_is_no_error() -> None:
    assert service(table(), START, START).models == {}
    assert [one.models for one in series(table(), START, START + 10, 3)] == [{}] * 3
