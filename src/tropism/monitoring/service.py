"""How serving fares: latency, throughput and errors of each task, and what the processes use.

Made from rows of the lake's table `_service`, which data planes write minute by minute. Counts add up over minutes and
processes. A row belongs as a whole to the moment `at` at which its minute ended.

Error rate: requests that failed by our fault (status 5xx: overload and a caller's own time limit among it), of those
and the ones that were answered. What the caller did wrong (4xx) is in neither, but counted as `refused`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND
from tropism.core.events import LATENCY_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BUCKETS = len(LATENCY_BOUNDS) + 1


class ModelService(msgspec.Struct, frozen=True, kw_only=True):
    """How requests for one task were answered. Latencies in seconds; None where there was no request to tell from.

    `throughput`: predictions per second. `errors`, `refused`: requests that failed by our fault, by the caller's.
    """

    predictions: int
    requests: int
    errors: int
    refused: int
    degraded: int
    outcomes: int
    throughput: float
    error_rate: float | None
    latency_mean: float | None
    latency_p50: float | None
    latency_p95: float | None
    latency_p99: float | None


class ProcessService(msgspec.Struct, frozen=True, kw_only=True):
    """What one process used; None where nobody tells.

    `cpu`: cores at work, on average; 1.0 is one of them all the time. `memory_bytes`: resident, as last heard. `gpu`:
    share of time in which the machine's GPUs worked.
    """

    cpu: float | None
    memory_bytes: int | None
    gpu: float | None
    gpu_memory_bytes: int | None


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """All of it from `start` to `end`, µs: by task, and by process."""

    start: int
    end: int
    models: dict[str, ModelService]
    processes: dict[str, ProcessService]

    def facts(self, task: str) -> dict[str, float | None]:
        """What rules ask of a task; None where it is not known now.

        `cpu` and `gpu` are those of the busiest process, `memory_bytes` of all processes together.
        """
        one, used = self.models.get(task), list(self.processes.values())
        names = ("throughput", "error_rate", "latency_p50", "latency_p95", "latency_p99", "predictions")
        facts: dict[str, float | None] = {name: getattr(one, name, None) for name in names}
        if one is None and used:  # it is known that nobody asked
            facts |= {"throughput": 0.0, "predictions": 0}
        memory = [process.memory_bytes for process in used if process.memory_bytes is not None]
        facts["memory_bytes"] = sum(memory) if memory else None
        for name in ("cpu", "gpu"):
            facts[name] = max((x for process in used if (x := getattr(process, name)) is not None), default=None)
        return facts


def service(rows: pa.Table, start: int, end: int) -> Service:
    """How serving fared in `start` <= `at` < `end` (µs), from rows of `_service` in any order.

    >>> from tropism.feedback.schemas import SERVICE
    >>> service(SERVICE.empty_table(), 0, 60).models
    {}
    """
    return _of(_within(rows, start, end), start, end)


def series(rows: pa.Table, start: int, end: int, bins: int) -> list[Service]:
    """The same for each of `bins` parts of the time, as long as each other up to 1 µs."""
    found = _within(rows, start, end).sort_by("at")
    at = _at(found)
    edges = [start + (end - start) * number // bins for number in range(bins + 1)]
    cuts = np.searchsorted(at, edges)
    spans = zip(edges, edges[1:], cuts, cuts[1:], strict=False)
    return [_of(found.slice(first, last - first), since, until) for since, until, first, last in spans]


def quantile(counts: NDArray[np.int64] | Sequence[int], share: float) -> float | None:
    """The latency in seconds that this share of requests did not pass; None without requests.

    `counts`: by bucket of `LATENCY_BOUNDS`. Values are taken to be spread evenly in their bucket, as Prometheus does;
    so it is off by less than the bucket is wide: at most 28% of a value above 0.1 ms, and mostly under 5% where
    latencies spread over several buckets. What took longer than the last bound, 10 s, is told as 10 s.

    >>> quantile([0, 4] + [0] * 50, 0.5)
    0.0001125
    """
    counts = np.asarray(counts, np.int64)
    total = int(counts.sum())
    if total == 0:
        return None
    upto = np.cumsum(counts)
    bucket = int(np.searchsorted(upto, share * total))
    bucket = min(bucket, int(np.flatnonzero(counts)[-1]))
    if bucket == len(LATENCY_BOUNDS):
        return LATENCY_BOUNDS[-1]
    low, high = (LATENCY_BOUNDS[bucket - 1] if bucket else 0.0), LATENCY_BOUNDS[bucket]
    within = (share * total - (upto[bucket] - counts[bucket])) / counts[bucket]
    return float(low + (high - low) * max(0.0, within))


def _within(rows: pa.Table, start: int, end: int) -> pa.Table:
    at = _at(rows)
    return rows.filter(pa.array((at >= start) & (at < end)))


def _at(rows: pa.Table) -> NDArray[np.int64]:
    found: NDArray[np.int64] = rows["at"].cast(pa.int64()).to_numpy()
    return found


def _of(rows: pa.Table, start: int, end: int) -> Service:
    of_process = pc.is_null(rows["task"])
    models, processes = rows.filter(pc.invert(of_process)), rows.filter(of_process)
    seconds = (end - start) / SECOND
    return Service(
        start=start,
        end=end,
        models={task: _model(own, seconds) for task, own in _groups(models, "task").items()},
        processes={name: _process(own) for name, own in _groups(processes, "process").items()},
    )


def _groups(rows: pa.Table, by: str) -> dict[str, pa.Table]:
    names = sorted(pc.unique(rows[by]).to_pylist())
    return {name: rows.filter(pc.equal(rows[by], name)) for name in names}


def _model(rows: pa.Table, seconds: float) -> ModelService:
    predictions = _sum(pc.list_flatten(rows["predictions"]))
    requests, errors = _sum(rows["requests"]), _sum(rows["errors"])
    counts = _latency(rows)
    return ModelService(
        predictions=predictions,
        requests=requests,
        errors=errors,
        refused=_sum(rows["refused"]),
        degraded=_sum(rows["degraded"]),
        outcomes=_sum(rows["outcomes"]),
        throughput=predictions / seconds if seconds > 0 else 0.0,
        error_rate=errors / (requests + errors) if requests + errors else None,
        latency_mean=float(pc.sum(rows["seconds"]).as_py() or 0.0) / requests if requests else None,
        latency_p50=quantile(counts, 0.5),
        latency_p95=quantile(counts, 0.95),
        latency_p99=quantile(counts, 0.99),
    )


def _latency(rows: pa.Table) -> NDArray[np.int64]:
    """Requests by bucket. A row without requests has no buckets."""
    flat = pc.list_flatten(rows["latency"]).to_numpy().reshape(-1, BUCKETS)
    counts: NDArray[np.int64] = flat.sum(axis=0, dtype=np.int64)
    return counts


def _process(rows: pa.Table) -> ProcessService:
    spans = pc.subtract(rows["at"].cast(pa.int64()), rows["start"].cast(pa.int64()))
    seconds = _sum(spans) / SECOND
    watched = _sum(pc.multiply(spans, rows["gpus"])) / SECOND  # of all devices together
    last = rows.sort_by("at").slice(rows.num_rows - 1)
    busy = pc.sum(rows["gpu_seconds"]).as_py()
    return ProcessService(
        cpu=float(pc.sum(rows["cpu_seconds"]).as_py() or 0.0) / seconds if seconds > 0 else None,
        memory_bytes=last["memory_bytes"][0].as_py(),
        gpu=min(1.0, busy / watched) if busy is not None and watched > 0 else None,
        gpu_memory_bytes=last["gpu_memory_bytes"][0].as_py(),
    )


def _sum(column: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(column).as_py() or 0)
