"""Counts as Prometheus text. https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.serving.meters import Meters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tropism.serving.meters import Counter, Histogram
    from tropism.serving.snapshot import SnapshotHolder

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(meters: Meters, holder: SnapshotHolder, journal: str, others: Sequence[Meters] = ()) -> str:
    """Everything that is counted, as one text: by this process, and by the `others` of the project.

    `journal`: the name of this process's journal slot. What is said of snapshots is this process's own.
    """
    current = holder.current
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
    lines += _gauge(
        "tropism_snapshot_generation", "Generation of the live snapshot; -1 before the first.", _generation(holder)
    )
    lines += _gauge("tropism_snapshot_failing", "1 if the newest snapshot is not whole.", int(bool(holder.problem)))
    lines += ["# HELP tropism_snapshot_failures_total Loads of a snapshot that failed."]
    lines += ["# TYPE tropism_snapshot_failures_total counter", f"tropism_snapshot_failures_total {holder.failures}"]
    deployments = current.deployments.values() if current is not None else ()
    degraded = sum(bool(one.degraded) for one in deployments)
    lines += _gauge("tropism_deployments_degraded", "Tasks that are not served by their champion.", degraded)
    return "\n".join(lines) + "\n"


def _journals(of: Iterable[Meters]) -> list[str]:
    lines = [
        "# HELP tropism_journal_sequence Sequence number of the last record appended to a journal slot.",
        "# TYPE tropism_journal_sequence gauge",
    ]
    return lines + [f"tropism_journal_sequence{_labels([('writer', one.journal)])} {one.journaled}" for one in of]


def _generation(holder: SnapshotHolder) -> int:
    return -1 if holder.current is None else holder.current.generation


def _counter(counter: Counter) -> Iterable[str]:
    yield f"# HELP {counter.name} {counter.description}"
    yield f"# TYPE {counter.name} counter"
    for values, count in sorted(counter.values.items()):
        yield f"{counter.name}{_labels(zip(counter.labels, values, strict=True))} {count}"


def _histogram(histogram: Histogram) -> Iterable[str]:
    name = histogram.name
    yield f"# HELP {name} {histogram.description}"
    yield f"# TYPE {name} histogram"
    for values, counts in sorted(histogram.counts.items()):
        labels = list(zip(histogram.labels, values, strict=True))
        total = 0
        for bound, count in zip((*histogram.bounds, float("inf")), counts, strict=True):
            total += count
            edge = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f"{name}_bucket{_labels([*labels, ('le', edge)])} {total}"
        yield f"{name}_sum{_labels(labels)} {histogram.sums[values]!r}"
        yield f"{name}_count{_labels(labels)} {total}"


def _gauge(name: str, description: str, value: float) -> list[str]:
    return [f"# HELP {name} {description}", f"# TYPE {name} gauge", f"{name} {value}"]


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    text = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{text}}}" if text else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
