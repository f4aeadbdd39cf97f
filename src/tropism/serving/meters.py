"""Counts of what the data plane did. Single writer: the event loop's thread."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

from tropism.core.events import LATENCY_BOUNDS
from tropism.serving.resources import Gpu

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tropism.serving.resources import Resources

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the buckets that are told: some of `LATENCY_BOUNDS`, by which is counted."""
DIFFERENCE_BOUNDS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0, 100.0)
"""Of the buckets of differences of scores."""


class Counter:
    """Counts by label values.

    >>> seen = Counter("tropism_errors_total", "Refused requests.", ("code",))
    >>> seen.add("too-large")
    >>> seen.values
    {('too-large',): 1}
    """

    def __init__(self, name: str, description: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.values: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, by: int = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + by

    def take_over(self, other: Counter) -> None:
        """Adds what another one counted."""
        for labels, count in other.values.items():
            self.add(*labels, by=count)


class Histogram:
    """How often a value fell into each bucket, by label values; the last bucket is open."""

    def __init__(self, name: str, description: str, labels: tuple[str, ...], bounds: Sequence[float]) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.bounds = tuple(bounds)
        self.counts: dict[tuple[str, ...], list[int]] = {}
        self.sums: dict[tuple[str, ...], float] = {}

    def observe(self, value: float, *labels: str) -> None:
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.bounds) + 1)
        counts[bisect_left(self.bounds, value)] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + value

    def take_over(self, other: Histogram) -> None:
        """Adds what another one with the same bounds observed."""
        for labels, counts in other.counts.items():
            mine = self.counts.get(labels, [0] * len(counts))
            self.counts[labels] = [a + b for a, b in zip(mine, counts, strict=True)]
            self.sums[labels] = self.sums.get(labels, 0.0) + other.sums.get(labels, 0.0)


class _Observed(msgspec.Struct, frozen=True, array_like=True):
    labels: tuple[str, ...]
    counts: list[int]
    sum: float


class _Saved(msgspec.Struct, frozen=True):
    """Meters as they are written down: counters and histograms by name."""

    counters: dict[str, list[tuple[tuple[str, ...], int]]]
    histograms: dict[str, list[_Observed]]
    in_flight: int
    connections: int
    journal: str
    journaled: int
    failing: bool
    cpu_seconds: float = 0.0
    memory_bytes: int | None = None
    gpus: tuple[Gpu, ...] = ()


class Meters:
    """Everything that is counted. Label values come from declared tasks, never from what a caller sent."""

    in_flight = 0
    connections = 0
    """Connections that are open."""
    journal = ""
    """Name of this process's journal slot."""
    journaled = 0
    """Sequence number of the last record appended by this process."""
    journal_problem = ""
    """Why the last append failed; empty after one that did not."""
    quarantined = 0
    """Versions in quarantine, as of the last snapshot."""
    cpu_seconds = 0.0
    """Processor time used, as of the last look, by those who counted here before among it."""
    memory_bytes: int | None = None
    gpus: tuple[Gpu, ...] = ()
    _own_cpu_seconds = 0.0

    def __init__(self) -> None:
        made_by = ("model", "version", "variant")
        self.predictions = Counter("ml_model_predictions_total", "Predictions answered.", made_by)
        self.latency = Histogram(
            "ml_prediction_latency_seconds",
            "Time from the whole body to the reply, journal included.",
            ("model",),
            LATENCY_BOUNDS,
        )
        self.failures = Counter(
            "ml_prediction_errors_total",
            "Requests to predict that failed: by our fault (status 5xx), or by the caller's (4xx).",
            ("model", "code", "status"),
        )
        self.outcomes = Counter("ml_outcomes_total", "Outcomes accepted.", ("model",))
        text = "Events pushed into streams: accepted, or rejected by a rule."
        self.events = Counter("tropism_stream_events_total", text, ("stream", "result"))
        text = "Evaluations of feature flags sent to callers."
        self.flag_evaluations = Counter("tropism_flag_evaluations_total", text, ("flag", "variant", "reason"))
        self.degraded = Counter(
            "ml_predictions_degraded_total", "Predictions answered in a degraded way.", ("model", "reason")
        )
        self.notes = Counter(
            "ml_feature_warnings_total",
            "Missing values, defaults used, unseen categories.",
            ("model", "feature", "kind"),
        )
        self.unrecorded = Counter(
            "tropism_predictions_unrecorded_total",
            "Predictions answered and not recorded, as the task's journal policy says.",
            ("model",),
        )
        self._count_mirrored()
        self.errors = Counter("tropism_errors_total", "Error replies by code.", ("code",))
        self.restarts = Counter(
            "tropism_worker_restarts_total", "Processes that ended by themselves and were started again.", ("process",)
        )

    def _count_mirrored(self) -> None:
        """Adds what is counted of requests that treatments are sent beside the control."""
        mirrored, of = "tropism_mirrored", ("model", "experiment", "variant")
        text = "Rows that a treatment was asked about beside the control: answered, or failed."
        self.mirrored = Counter(f"{mirrored}_rows_total", text, (*of, "result"))
        text = "Rows that a treatment was not asked about, as too many waited."
        self.mirrored_dropped = Counter(f"{mirrored}_rows_dropped_total", text, of)
        text = "Rows for which a treatment gives another class or decision than the control."
        self.mirrored_differing = Counter(f"{mirrored}_rows_differing_total", text, of)
        text = "Rows that the control failed to answer while they were to be mirrored."
        self.mirrored_control = Counter(f"{mirrored}_control_failures_total", text, of)
        text = "Time that a treatment took for the rows of a batch."
        self.mirrored_latency = Histogram(f"{mirrored}_latency_seconds", text, of, LATENCY_BOUNDS)
        text = "Difference of a treatment's scores to the control's, the largest of a row."
        self.mirrored_difference = Histogram(f"{mirrored}_score_difference", text, of, DIFFERENCE_BOUNDS)
        self.mirrored_largest: dict[tuple[str, ...], float] = {}

    def used(self, resources: Resources) -> None:
        """Takes note of what this process uses. From any thread, but one at a time."""
        self.cpu_seconds += max(0.0, resources.cpu_seconds - self._own_cpu_seconds)
        self._own_cpu_seconds = max(self._own_cpu_seconds, resources.cpu_seconds)
        self.memory_bytes = resources.memory_bytes
        self.gpus = resources.gpus or self.gpus

    @property
    def counters(self) -> Iterator[Counter]:
        """Every counter there is."""
        return (one for one in vars(self).values() if isinstance(one, Counter))

    @property
    def histograms(self) -> Iterator[Histogram]:
        """Every histogram there is."""
        return (one for one in vars(self).values() if isinstance(one, Histogram))

    def to_bytes(self) -> bytes:
        """All of it as JSON. May be called from another thread than the one that counts.

        >>> meters = Meters()
        >>> meters.errors.add("too-large")
        >>> Meters.from_bytes(meters.to_bytes()).errors.values
        {('too-large',): 1}
        """
        saved = _Saved(
            counters={one.name: list(one.values.copy().items()) for one in self.counters},
            histograms={one.name: list(_observed(one)) for one in self.histograms},
            in_flight=self.in_flight,
            connections=self.connections,
            journal=self.journal,
            journaled=self.journaled,
            failing=bool(self.journal_problem),
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_bytes,
            gpus=self.gpus,
        )
        return msgspec.json.encode(saved)

    @classmethod
    def from_bytes(cls, data: bytes) -> Meters:
        """What `to_bytes` wrote down. Leaves out what this release does not count.

        Raises:
            ValueError: the bytes are not meters.
        """
        saved = msgspec.json.decode(data, type=_Saved)
        made = cls()
        made.in_flight, made.connections = saved.in_flight, saved.connections
        made.journal, made.journaled = saved.journal, saved.journaled
        made.journal_problem = "failing" if saved.failing else ""
        made.cpu_seconds, made.memory_bytes, made.gpus = saved.cpu_seconds, saved.memory_bytes, saved.gpus
        for counter in made.counters:
            for labels, count in saved.counters.get(counter.name, ()):
                if len(labels) == len(counter.labels):
                    counter.add(*labels, by=count)
        for histogram in made.histograms:
            for labels, counts, total in map(msgspec.structs.astuple, saved.histograms.get(histogram.name, ())):
                if (len(labels), len(counts)) == (len(histogram.labels), len(histogram.bounds) + 1):
                    histogram.counts[labels], histogram.sums[labels] = counts, total
        return made

    def take_over(self, others: Iterable[Meters]) -> None:
        """Adds what others counted, have open and use; what is not a count stays as it is."""
        for other in others:
            self.in_flight += other.in_flight
            self.connections += other.connections
            self.cpu_seconds += other.cpu_seconds
            if other.memory_bytes is not None:
                self.memory_bytes = (self.memory_bytes or 0) + other.memory_bytes
            self.gpus = self.gpus or other.gpus  # of the machine, whoever tells of them
            for mine, theirs in zip(self.counters, other.counters, strict=True):
                mine.take_over(theirs)
            for observed, more in zip(self.histograms, other.histograms, strict=True):
                observed.take_over(more)


def _observed(histogram: Histogram) -> Iterator[_Observed]:
    for labels, counts in histogram.counts.copy().items():
        yield _Observed(labels, counts.copy(), histogram.sums.get(labels, 0.0))
