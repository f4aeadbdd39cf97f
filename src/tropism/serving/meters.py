"""Counts of what the data plane did. Single writer: the event loop's thread."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds."""


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


class Meters:
    """Everything that is counted. Label values come from declared tasks, never from what a caller sent."""

    def __init__(self) -> None:
        self.predictions = Counter(
            "ml_model_predictions_total", "Predictions answered.", ("model", "version", "variant")
        )
        self.latency = Histogram(
            "ml_prediction_latency_seconds",
            "Time from the whole body to the reply, journal included.",
            ("model",),
            LATENCY_BUCKETS,
        )
        self.outcomes = Counter("ml_outcomes_total", "Outcomes accepted.", ("model",))
        self.degraded = Counter(
            "ml_predictions_degraded_total", "Predictions answered in a degraded way.", ("model", "reason")
        )
        self.notes = Counter(
            "ml_feature_warnings_total",
            "Missing values, defaults used, unseen categories.",
            ("model", "feature", "kind"),
        )
        self.errors = Counter("tropism_errors_total", "Error replies by code.", ("code",))
        self.in_flight = 0
        self.journaled = 0
        """Sequence number of the last record appended by this process."""
        self.journal_problem = ""
        """Why the last append failed; empty after one that did not."""
