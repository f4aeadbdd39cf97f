"""Estimators that do not look at features: fixed scores, the last known label, a seasonal profile.

Their state is small and stored as JSON; floats survive JSON exactly (shortest text that reads back the same).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Self

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.links import unlinked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.learners.base import Floats, Shape, Times

FILE = "constant.json"
MOST_BINS = 10_000
LONGEST_PERIOD = 400 * DAY
MOST_LAG = 100_000
LATEST = 2**62
EVEN = 1e-9
"""How much likelier than chance the last label is at least, so that it is always the most probable one."""


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="fixed"):
    """The same scores for every row."""

    scores: tuple[float, ...]

    def predict(self, rows: int, at: Times | None, shape: Shape) -> Floats:  # noqa: ARG002 - one shape for all states
        return np.tile(np.array(self.scores), (rows, 1))

    def sound(self, shape: Shape) -> bool:
        if len(self.scores) != shape.outputs:
            return False
        if shape.kind == "multiclass" and not math.isclose(sum(self.scores), 1.0, abs_tol=1e-9):
            return False
        return shape.kind == "regression" or all(0.0 <= score <= 1.0 for score in self.scores)


class LastKnown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="last-label"):
    """The newest labels, and how often a label equalled the one `len(newest)` rows before it."""

    newest: tuple[float, ...]
    at: int
    repeats: float = 0.0
    pairs: float = 0.0

    def predict(self, rows: int, at: Times | None, shape: Shape) -> Floats:  # noqa: ARG002 - one shape for all states
        label = self.newest[-1]
        if shape.kind == "regression":
            return np.full((rows, 1), label)
        classes = max(shape.outputs, 2)
        share = max((self.repeats + 1) / (self.pairs + classes), 1 / classes + EVEN)
        scores = np.full(classes, (1 - share) / (classes - 1))
        scores[int(label)] = share
        return np.tile(scores if shape.kind == "multiclass" else scores[1:], (rows, 1))

    def updated(self, labels: Floats, at: Times, shape: Shape) -> LastKnown:  # noqa: ARG002 - one shape for all states
        """With labels newer than those known, oldest first."""
        fresh = labels[at > self.at]
        if len(fresh) == 0:
            return self
        lag, series = len(self.newest), np.concatenate([self.newest, fresh])
        repeats = float(np.count_nonzero(series[lag:] == series[:-lag]))
        newest = tuple(series[-lag:].tolist())
        return LastKnown(newest, int(at[-1]), self.repeats + repeats, self.pairs + len(fresh))

    def sound(self, shape: Shape) -> bool:
        known = range(max(shape.outputs, 2))
        labels = shape.kind == "regression" or all(label in known for label in self.newest)
        return (
            labels and abs(self.at) <= LATEST and 0 < len(self.newest) <= MOST_LAG and 0 <= self.repeats <= self.pairs
        )


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="seasonal"):
    """Sums and counts of labels by position in a period; multiclass labels count as one-hot rows."""

    period: int
    totals: tuple[tuple[float, ...], ...]
    counts: tuple[float, ...]
    at: int

    def predict(self, rows: int, at: Times | None, shape: Shape) -> Floats:
        moments = np.full(rows, self.at, np.int64) if at is None else np.asarray(at, np.int64)
        totals, counts = np.array(self.totals), np.array(self.counts)
        overall = totals.sum(axis=0) / counts.sum()
        if shape.kind != "regression":
            classes = max(shape.outputs, 2)
            overall = (totals.sum(axis=0) + 1) / (counts.sum() + classes)
        # One row at the overall mean is added to each bin: thin bins stay near it, empty ones equal it.
        profile = (totals + overall) / (counts + 1.0)[:, None]
        scores: Floats = profile[bins_of(moments, self.period, len(counts))]
        return scores

    def updated(self, labels: Floats, at: Times, shape: Shape) -> Profile:
        """With more labels; each call's labels count, so a label must be given once."""
        totals, counts = np.array(self.totals), np.array(self.counts)
        where = bins_of(at, self.period, len(counts))
        rows = labels[:, None]
        if shape.kind == "multiclass":
            rows = np.eye(shape.outputs)[labels.astype(np.int64)]
        np.add.at(totals, where, rows)
        np.add.at(counts, where, 1.0)
        newest = max(self.at, int(at[-1])) if len(at) else self.at
        return Profile(self.period, tuple(map(tuple, totals.tolist())), tuple(counts.tolist()), newest)

    def sound(self, shape: Shape) -> bool:
        bins = len(self.counts)
        return (
            0 < self.period <= LONGEST_PERIOD
            and abs(self.at) <= LATEST
            and 0 < bins <= MOST_BINS
            and len(self.totals) == bins
            and all(len(row) == shape.outputs for row in self.totals)
            and all(count >= 0 for count in self.counts)
            and sum(self.counts) > 0
            and (shape.kind == "regression" or _within(self.totals, self.counts))
        )


State = Fixed | LastKnown | Profile


class Constant(Estimator):
    """Scores by the state alone."""

    format: ClassVar[str] = "constant"

    def __init__(self, state: State, shape: Shape) -> None:
        self._state, self._shape = state, shape

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        if files.keys() != {FILE}:
            raise ArtifactRefused(
                "the artifact has the wrong files", Fault("files", str(sorted(files)), f"keep {FILE}")
            )
        try:
            state = msgspec.json.decode(files[FILE], type=State)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _refused(str(error)) from error
        if not state.sound(shape):
            raise _refused(f"its numbers do not fit a {shape.kind} task with {shape.outputs} outputs")
        kind = cls if isinstance(state, Fixed) else Moving
        return kind(state, shape)  # type: ignore[return-value]

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:
        return self._state.predict(len(matrix), at, self._shape)

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:
        """No feature does anything; the baseline says it all."""
        scores = self.predict(matrix, at)
        out = np.zeros((*scores.shape, matrix.shape[1] + 1))
        out[:, :, -1] = unlinked(self._shape.kind, scores)
        return out

    def export(self) -> dict[str, bytes]:
        return {FILE: msgspec.json.encode(self._state)}


class Moving(Constant):
    """A state that takes in labels as they become known. An update replaces it whole, so readers see either."""

    def update(self, labels: Floats, at: Times) -> None:
        """Takes in labels (n,) of predictions made `at` (n,) µs since the epoch, in any order."""
        state = self._state
        if not isinstance(state, Fixed):
            order = np.argsort(at, kind="stable")
            self._state = state.updated(np.asarray(labels)[order], np.asarray(at)[order], self._shape)


def bins_of(at: Times, period: int, bins: int) -> Times:
    """Position in the period, 0 to bins - 1, of moments in µs since the epoch.

    >>> bins_of(np.array([0, 6, 23, 24]), 24, 4).tolist()
    [0, 1, 3, 0]
    """
    return np.asarray(at, np.int64) % period * bins // period


def _within(totals: tuple[tuple[float, ...], ...], counts: tuple[float, ...]) -> bool:
    most = np.array(counts)[:, None] * (1 + 1e-9) + 1e-9
    return bool(np.all((np.array(totals) >= 0) & (np.array(totals) <= most)))


def _refused(problem: str) -> ArtifactRefused:
    return ArtifactRefused("the baseline is malformed and was not loaded", Fault(FILE, problem, "train it again"))
