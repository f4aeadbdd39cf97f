"""What each policy came to: its metric over all events, over time, and how well its scores are calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.clock import iso
from tropism.core.errors import DataInvalid, Fault
from tropism.evaluation.metrics import display, losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.core.task import Kind
    from tropism.entrypoints.replay.policies import PolicyResult
    from tropism.entrypoints.replay.stream import Stream

WINDOWS = 60
_BINS = 10
_Z = 1.96
_PLACES = ("first", "second", "third", "last")


@dataclass(frozen=True)
class Window:
    """A span of consecutive events. `at`: µs, of its last event. `value`: the metric. `loss`: mean loss."""

    at: int
    n: int
    value: float
    loss: float


@dataclass(frozen=True)
class Bin:
    """Events with like scores: mean score, mean outcome, how many."""

    predicted: float
    observed: float
    n: int


@dataclass(frozen=True)
class PolicySummary:
    """A policy's record. `interval`: 95%, from means of consecutive blocks, so that it allows for dependence."""

    name: str
    prequential: float
    interval: tuple[float, float] | None
    accuracy: float | None
    windows: tuple[Window, ...]
    calibration: tuple[Bin, ...]
    models_trained: int
    cpu_seconds: float
    loss: float


@dataclass(frozen=True)
class Verdict:
    """Which policy was best. `clear`: the 95% interval of its lead over the next one lies above zero."""

    best: str
    next: str | None
    clear: bool
    sentence: str


def summarise_policy(stream: Stream, result: PolicyResult, *, windows: int = WINDOWS) -> PolicySummary:
    """A policy's record on the events it predicted.

    Raises:
        DataInvalid: the warm-up takes all events.
        InvalidInput: `result.scores` has another number of rows than there are events from `result.start` on.
    """
    metric, labels = stream.task.metric_name, stream.labels[result.start :]
    if not len(labels):
        fix = f"use less than the stream's {len(stream):,} events"
        raise DataInvalid("the warm-up leaves no event to compare", Fault("--warmup", f"{result.start:,}", fix))
    loss = losses(metric, labels, result.scores)
    parts = _parts(len(labels), windows)
    at = stream.at[result.start :]
    record = tuple(
        Window(
            int(at[high - 1]), high - low, display(metric, float(loss[low:high].mean())), float(loss[low:high].mean())
        )
        for low, high in parts
    )
    mean = float(loss.mean())
    half = _half_width([window.loss for window in record], [window.n for window in record])
    ends = sorted((display(metric, mean - half), display(metric, mean + half)))
    classification = stream.task.kind != "regression"
    accuracy = display("accuracy", float(losses("accuracy", labels, result.scores).mean())) if classification else None
    return PolicySummary(
        name=result.name,
        prequential=display(metric, mean),
        interval=(ends[0], ends[1]) if len(record) > 1 else None,
        accuracy=accuracy,
        windows=record,
        calibration=calibration(stream.task.kind, labels, result.scores),
        models_trained=result.models_trained,
        cpu_seconds=result.cpu_seconds,
        loss=mean,
    )


def calibration(
    kind: Kind, labels: NDArray[np.float64], scores: NDArray[np.float64], bins: int = _BINS
) -> tuple[Bin, ...]:
    """Mean score beside mean outcome in groups of equally many events with like scores.

    Binary: probability of the positive class and how often it came. Multiclass: probability of the likeliest
    class and how often it was right. Regression: the prediction and the number.

    >>> calibration("binary", np.array([0.0, 1.0]), np.array([[0.2], [0.9]]), bins=2)
    (Bin(predicted=0.2, observed=0.0, n=1), Bin(predicted=0.9, observed=1.0, n=1))
    """
    if kind == "multiclass":
        predicted = scores.max(axis=1)
        observed = (scores.argmax(axis=1) == labels).astype(np.float64)
    else:
        predicted, observed = scores[:, 0], labels
    order = np.argsort(predicted, kind="stable")
    # Equal scores belong in one group, or a policy with few different scores would look noisy.
    starts = [int(np.searchsorted(predicted[order], predicted[order[low]])) for low, _ in _parts(len(order), bins)]
    groups = pairwise([*dict.fromkeys(starts), len(order)])
    return tuple(
        Bin(float(predicted[order[low:high]].mean()), float(observed[order[low:high]].mean()), high - low)
        for low, high in groups
    )


def verdict(metric: str, policies: Sequence[PolicySummary]) -> Verdict:
    """The best policy in a sentence, and whether it leads the next one clearly."""
    ranked = sorted(policies, key=lambda policy: policy.loss)
    best = ranked[0]
    if len(ranked) == 1:
        return Verdict(best.name, None, False, f"{best.name}: {metric} {best.prequential:.4g}.")
    second = ranked[1]
    lead, half = lead_of(best, second)
    clear = lead - half > 0
    figures = f"{metric} {best.prequential:.4g} against {second.prequential:.4g} for {second.name}"
    if not clear:
        sentence = f"{best.name} and {second.name} are level here: {figures}, a lead that chance may explain."
    elif best.name == "no-change":
        sentence = f"no-change wins here: {figures}. No model beat repeating the last known label."
    else:
        sentence = f"{best.name} is best here: {figures}, a clear lead."
    place = next((place for place, policy in enumerate(ranked) if policy.name == "loop"), 0)
    if place > 1:
        sentence += f" The loop came {_PLACES[min(place, 3)]} with {ranked[place].prequential:.4g}."
    accurate = max(ranked, key=lambda policy: policy.accuracy or 0.0)
    if metric != "accuracy" and best.accuracy is not None and (accurate.accuracy or 0.0) > best.accuracy:
        sentence += f" By accuracy {accurate.name} is best, {accurate.accuracy:.4g} against {best.accuracy:.4g}."
    return Verdict(best.name, second.name, clear, sentence)


def lead_of(better: PolicySummary, worse: PolicySummary) -> tuple[float, float]:
    """Mean loss of `worse` less that of `better` on the same events, and the half-width of its 95% interval."""
    gaps = [b.loss - a.loss for a, b in zip(better.windows, worse.windows, strict=True)]
    return worse.loss - better.loss, _half_width(gaps, [window.n for window in better.windows])


def table_text(metric: str, policies: Sequence[PolicySummary]) -> str:
    """The policies as a plain table for a terminal."""
    head = ("policy", metric, "95% interval", "accuracy", "models", "cpu s")
    rows = [head] + [
        (
            policy.name,
            f"{policy.prequential:.4f}",
            "" if policy.interval is None else f"{policy.interval[0]:.4f} to {policy.interval[1]:.4f}",
            "" if policy.accuracy is None else f"{policy.accuracy:.4f}",
            str(policy.models_trained),
            f"{policy.cpu_seconds:.1f}",
        )
        for policy in policies
    ]
    kept = [column for column in range(len(head)) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in kept}
    return "\n".join(
        "  ".join(
            row[column].ljust(widths[column]) if column == 0 else row[column].rjust(widths[column]) for column in kept
        )
        for row in rows
    )


def as_json(policy: PolicySummary) -> dict[str, object]:
    """A policy as report.json holds it."""
    return {
        "prequential": policy.prequential,
        "interval": None if policy.interval is None else list(policy.interval),
        "accuracy": policy.accuracy,
        "windows": [{"at": iso(window.at), "n": window.n, "value": window.value} for window in policy.windows],
        "calibration": [{"predicted": b.predicted, "observed": b.observed, "n": b.n} for b in policy.calibration],
        "models_trained": policy.models_trained,
        "cpu_seconds": round(policy.cpu_seconds, 3),
    }


def _parts(n: int, parts: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, n, min(parts, n) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _half_width(means: Sequence[float], counts: Sequence[int]) -> float:
    """Half-width of a 95% interval for the mean of dependent values, from the means of blocks."""
    blocks = len(means)
    if blocks < 2:
        return 0.0
    spread = float(np.std(np.asarray(means) * np.asarray(counts) * blocks / sum(counts), ddof=1))
    return _Z * spread / math.sqrt(blocks)
