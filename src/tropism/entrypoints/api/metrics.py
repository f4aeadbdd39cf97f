"""Everything that is counted, as one text for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.exposition import family, heading, joined, sample
from tropism.serving.meters import LATENCY_BUCKETS, Meters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tropism.serving.meters import Counter, Histogram
    from tropism.serving.snapshot import SnapshotHolder

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(
    meters: Meters, holder: SnapshotHolder, journal: str, others: Sequence[Meters] = (), more: Iterable[str] = ()
) -> str:
    """Everything that is counted, as one text: by this process, and by the `others` of the project.

    `journal`: the name of this process's journal slot. What is said of snapshots is this process's own. `more`: texts
    of further metrics; one that is told here already, or comes twice, is left out.
    """
    meters.journal = journal
    total = Meters()
    total.take_over([meters, *others])
    lines: list[str] = []
    for counter in total.counters:
        lines += _counter(counter)
    for histogram in total.histograms:
        lines += _histogram(histogram)
    lines += _gauge("tropism_requests_in_flight", "Requests being worked on.", total.in_flight)
    lines += _gauge("tropism_connections", "Connections that are open.", total.connections)
    lines += _journals([meters, *(one for one in others if one.journal not in ("", journal))])
    failing = any(one.journal_problem for one in (meters, *others))
    lines += _gauge("tropism_journal_failing", "1 if the last append of any process failed.", int(failing))
    lines += _gauge("tropism_quarantined_versions", "Versions that crashed a process.", meters.quarantined)
    lines += _snapshots(holder)
    lines += _resources(total)
    lines += joined(more, told=lines)
    return "\n".join(lines) + "\n"


def _snapshots(holder: SnapshotHolder) -> Iterator[str]:
    current = holder.current
    generation = -1 if current is None else current.generation
    yield from _gauge(
        "tropism_snapshot_generation", "Generation of the live snapshot; -1 before the first.", generation
    )
    yield from _gauge("tropism_snapshot_failing", "1 if the newest snapshot is not whole.", int(bool(holder.problem)))
    text = "Loads of a snapshot that failed."
    yield from family("tropism_snapshot_failures_total", "counter", text, [((), holder.failures)])
    deployments = current.deployments.values() if current is not None else ()
    degraded = sum(bool(one.degraded) for one in deployments)
    yield from _gauge("tropism_deployments_degraded", "Tasks that are not served by their champion.", degraded)


def _resources(total: Meters) -> Iterator[str]:
    text = "Processor time of this machine's data planes, user and system, in seconds."
    yield from family("process_cpu_seconds_total", "counter", text, [((), total.cpu_seconds)])
    if total.memory_bytes is not None:
        yield from _gauge(
            "process_resident_memory_bytes", "Memory that this machine's data planes hold.", total.memory_bytes
        )
    if total.gpus:
        labels = [[("gpu", str(one.number))] for one in total.gpus]
        busy = zip(labels, (one.busy for one in total.gpus), strict=True)
        used = zip(labels, (one.memory_bytes for one in total.gpus), strict=True)
        text = "Share of the last moment in which a GPU of this machine worked."
        yield from family("tropism_gpu_utilization_ratio", "gauge", text, busy)
        yield from family("tropism_gpu_memory_used_bytes", "gauge", "Memory in use on a GPU of this machine.", used)


def _journals(of: Iterable[Meters]) -> Iterator[str]:
    text = "Sequence number of the last record appended to a journal slot."
    return family("tropism_journal_sequence", "gauge", text, (([("writer", one.journal)], one.journaled) for one in of))


def _counter(counter: Counter) -> Iterator[str]:
    counted = sorted(counter.values.items())
    samples = ((zip(counter.labels, values, strict=True), count) for values, count in counted)
    return family(counter.name, "counter", counter.description, samples)


def _histogram(histogram: Histogram) -> Iterator[str]:
    """Its buckets at the bounds that are told."""
    name = histogram.name
    yield from heading(name, "histogram", histogram.description)
    for values, counts in sorted(histogram.counts.items()):
        labels = list(zip(histogram.labels, values, strict=True))
        total = 0
        for bound, count in zip((*histogram.bounds, float("inf")), counts, strict=True):
            total += count
            if bound in _TOLD:
                yield sample(f"{name}_bucket", [*labels, ("le", _TOLD[bound])], total)
        yield sample(f"{name}_sum", labels, histogram.sums[values])
        yield sample(f"{name}_count", labels, total)


_TOLD = {bound: f"{bound:g}" for bound in LATENCY_BUCKETS} | {float("inf"): "+Inf"}


def _gauge(name: str, description: str, value: float) -> Iterator[str]:
    return family(name, "gauge", description, [((), value)])
