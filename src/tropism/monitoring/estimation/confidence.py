"""A classifier's performance from its own scores alone: confidence-based performance estimation.

If a score of 0.8 comes true in 80 of 100 cases, then 100 predictions with it hold 80 right ones, whatever the labels
will be. Source: NannyML, Confidence-based Performance Estimation, 2022; Guillory et al., Predicting with Confidence on
Unseen Distributions, ICCV 2021, for accuracy from calibrated confidence. Intervals are ours:

- Chance: labels are drawn from their probabilities; for accuracy the variance of a Poisson-binomial count.
- Calibration: the reference's rows are put into bins by predicted class and score. In a bin with m of them, the mean
  label is known to within its multinomial variance over m, and the metric follows along its gradient. Rows where the
  reference had few therefore widen the interval.
- Dependence: both grow by as much as the reference's residuals, in the order given, are dependent in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput
from tropism.core.task import Kind
from tropism.evaluation.losses import predicted
from tropism.experiments.dependence import inflation
from tropism.learners.calibration import FEWEST as FEWEST_OF_CLASS
from tropism.monitoring.estimation.calibrating import Calibrated, fit
from tropism.monitoring.estimation.estimate import Chunk, Estimate, by_chunks, decoded, joined, known, unknown
from tropism.monitoring.estimation.expected import AT_MOST_ONE, METRICS, chance, expected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.monitoring.estimation.estimate import Times

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ASSUMPTION = (
    "A score means what it meant on the reference: the share of each label among rows with that score has not changed. "
    "Concept shift breaks this, and nothing but labels shows it. Other inputs than before are allowed for only as far "
    "as the scores stay calibrated on them, and lie where the reference had rows."
)
FEWEST = 100
"""Labelled rows that a reference must have."""
BINS, BIN_ROWS = 20, 50
FAR = 0.01
"""Share of rows outside of the reference's scores from which the estimate says so."""


class Support(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the reference's scores lay, among rows predicted to be one class: rows between edges, and the extremes."""

    edges: tuple[float, ...]
    rows: tuple[int, ...]
    least: float
    most: float


class CBPE(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fitted estimator; `calibrated` makes it.

    `rows`: labelled rows of the reference it rests on. `calibration`: what was done to the scores, and whether it
    helped. `supports`: one a class. `dependence`: factor on variances. `reason`: why it can say nothing, if so.
    """

    kind: Kind
    outputs: int
    rows: int
    calibration: Calibrated = Calibrated()
    supports: tuple[Support, ...] = ()
    dependence: float = 1.0
    note: str = ""
    reason: str = ""

    @property
    def assumption(self) -> str:
        return ASSUMPTION

    def estimate(self, scores: Floats, metrics: Sequence[str] | None = None) -> dict[str, Estimate]:
        """Estimates by metric of a window's scores (n, outputs), as the model gave them.

        `metrics`: accuracy, precision, recall, f1, auc, brier, log_loss; all by default. precision, recall, f1 and
        auc of a multiclass task are means over its classes, auc one class against the rest. Rows whose scores are
        no probabilities are left out and counted in the note.

        Raises:
            InvalidInput: no such metric, or another number of outputs than on the reference.
        """
        wanted = _wanted(metrics)
        usable = _usable(_outputs(scores, self.outputs))
        kept = np.asarray(scores, np.float64)[usable]
        rows = len(kept)
        if self.reason or not rows:
            why = self.reason or ("no row has scores that are probabilities" if len(usable) else "there are no rows")
            return unknown(wanted, rows, joined(why, self.note))
        left_out = len(usable) - rows
        dropped = f"{left_out} rows with scores that are no probabilities were left out" if left_out else ""
        place, capacity, outside = self._places(kept)
        beyond = f"{outside:.0%} of the rows have scores that the reference never had" if outside > FAR else ""
        probabilities, note = self.calibration.apply(kept), joined(beyond, dropped, self.note)
        return {name: self._one(name, kept, probabilities, place, capacity, note) for name in wanted}

    def series(
        self, at: Times, scores: Floats, chunk_edges: Sequence[int], metrics: Sequence[str] | None = None
    ) -> list[Chunk]:
        """Estimates of each window [chunk_edges[i], chunk_edges[i + 1]) of predictions made `at` (n,), in µs.

        Raises:
            InvalidInput: as `estimate`, or edges that do not rise, or times that do not match the scores.
        """
        if len(at) != len(scores):
            shown = f"{len(at)} times, {len(scores)} rows"
            raise InvalidInput("times and scores do not line up", Fault("at", shown, "give one a row"))
        return by_chunks(at, chunk_edges, lambda rows: self.estimate(scores[rows], metrics))

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises `ArtifactRefused` when the bytes are no estimator."""
        return decoded(data, cls)

    def _one(
        self, metric: str, scores: Floats, probabilities: Floats, place: npt.NDArray[np.int64], capacity: Floats,
        note: str,
    ) -> Estimate:  # fmt: skip
        found = expected(metric, self.kind, scores, probabilities)
        if isinstance(found, str):
            return unknown([metric], len(scores), joined(found, note))[metric]
        variance = chance(probabilities, found.gradient) + _uncalibrated(probabilities, found.gradient, place, capacity)
        highest = 1.0 if metric in AT_MOST_ONE else np.inf
        return known(metric, found.value, variance * self.dependence, len(scores), note, highest)

    def _places(self, scores: Floats) -> tuple[npt.NDArray[np.int64], Floats, float]:
        """The bin of each row, the reference's rows in each bin, and the share of rows outside its scores."""
        told, sure = _claims(scores)
        place, outside = np.zeros(len(scores), np.int64), np.zeros(len(scores), np.bool_)
        capacity: list[int] = []
        for c, support in enumerate(self.supports):
            rows = told == c
            place[rows] = len(capacity) + np.searchsorted(support.edges, sure[rows], side="right")
            outside[rows] = (sure[rows] < support.least) | (sure[rows] > support.most)
            capacity += support.rows
        return place, np.maximum(np.asarray(capacity, np.float64), 1.0), float(outside.mean())


def calibrated(kind: Kind, scores: Floats, labels: Floats) -> CBPE:
    """An estimator from a reference: scores (n, outputs) that the model gave to rows it was not trained on, and labels.

    `scores` (n, 1): probability of the positive class, or (n, k): one a class. `labels` (n,): 0 and 1, or class
    numbers; NaN where there is none yet. Rows in time order: serial dependence widens the intervals. Where the
    reference does not suffice, what is made estimates None and says why.

    Raises:
        InvalidInput: a kind that has no classes, or shapes or labels that do not fit.

    >>> rng = np.random.default_rng(0)
    >>> scores = rng.random((2_000, 1))
    >>> labels = (rng.random(2_000) < scores[:, 0]).astype(float)
    >>> found = calibrated("binary", scores, labels).estimate(np.full((100, 1), 0.8))["accuracy"]
    >>> found.low < 0.8 < found.high
    True
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    _check(kind, scores, labels)
    usable = _usable(scores) & np.isfinite(labels)
    note = "" if usable.all() else f"{usable.sum()} of the reference's {len(usable)} rows had a label and scores"
    kept, told = scores[usable], labels[usable]
    reason = _insufficient(told)
    if reason:
        return CBPE(kind=kind, outputs=scores.shape[1], rows=len(kept), note=note, reason=reason)
    calibration = fit(kind, kept, told)
    sure = calibration.apply(kept)[np.arange(len(kept)), predicted(kept)]
    return CBPE(
        kind=kind,
        outputs=scores.shape[1],
        rows=len(kept),
        calibration=calibration,
        supports=_supports(kept, max(2, scores.shape[1])),
        dependence=inflation((predicted(kept) == told) - sure),
        note=note,
    )


def _check(kind: Kind, scores: Floats, labels: Floats) -> None:
    if kind not in ("binary", "multiclass"):
        fix = "use 'binary' or 'multiclass', and direct_loss for numbers"
        raise InvalidInput("only classifiers are estimated from their scores", Fault("kind", repr(kind), fix))
    fits = scores.ndim == 2 and labels.shape == scores.shape[:1]
    if not fits or (scores.shape[1] != 1 if kind == "binary" else scores.shape[1] < 2):
        shown = f"scores {scores.shape}, labels {labels.shape}"
        fix = "give (n, 1) for binary tasks, (n, classes) for multiclass ones, and labels (n,)"
        raise InvalidInput(f"this is no reference of a {kind} task", Fault("scores", shown, fix))
    seen, classes = np.unique(labels[np.isfinite(labels)]), max(2, scores.shape[1])
    if not np.all(np.isin(seen, np.arange(classes))):
        fix = f"use class numbers from 0 to {classes - 1}, NaN where there is no label"
        raise InvalidInput("a label is no class", Fault("labels", str(seen[:5].tolist()), fix))


def _insufficient(labels: Floats) -> str:
    """Why the labels do not suffice; empty when they do."""
    if len(labels) < FEWEST:
        return f"the reference has {len(labels)} rows with a label; {FEWEST} are needed"
    counts = np.sort(np.bincount(labels.astype(np.int64), minlength=2))
    if counts[-2] == 0:
        return "the reference has rows of one class only"
    if counts[-2] < FEWEST_OF_CLASS:
        return f"all but {counts[:-1].sum()} rows of the reference are of one class; {FEWEST_OF_CLASS} are needed"
    return ""


def _supports(scores: Floats, classes: int) -> tuple[Support, ...]:
    told, sure = _claims(scores)
    return tuple(_support(sure[told == c]) for c in range(classes))


def _support(sure: Floats) -> Support:
    if not len(sure):
        return Support((), (0,), 1.0, 0.0)
    bins = int(np.clip(len(sure) // BIN_ROWS, 1, BINS))
    edges = np.unique(np.quantile(sure, np.arange(1, bins) / bins))
    rows = np.bincount(np.searchsorted(edges, sure, side="right"), minlength=len(edges) + 1)
    return Support(tuple(edges.tolist()), tuple(rows.tolist()), float(sure.min()), float(sure.max()))


def _claims(scores: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """The predicted class of each row, and how sure its score is of that."""
    told = predicted(scores)
    if scores.shape[1] == 1:
        return told, np.where(told == 1, scores[:, 0], 1.0 - scores[:, 0])
    return told, scores[np.arange(len(scores)), told]


def _uncalibrated(probabilities: Floats, gradient: Floats, place: npt.NDArray[np.int64], capacity: Floats) -> float:
    """Variance of the metric over references: each bin's mean label is known from `capacity` rows only."""
    rows = np.maximum(np.bincount(place, minlength=len(capacity)), 1)
    classes = range(probabilities.shape[1])
    share = np.stack([np.bincount(place, probabilities[:, c], len(capacity)) for c in classes], axis=1) / rows[:, None]
    slope = np.stack([np.bincount(place, gradient[:, c], len(capacity)) for c in classes], axis=1)
    spread = np.sum(share * slope**2, axis=1) - np.sum(share * slope, axis=1) ** 2
    return float(np.sum(np.maximum(spread, 0.0) / capacity))


def _usable(scores: Floats) -> Bools:
    """Rows whose scores are probabilities; those of several classes need not sum to exactly 1."""
    with np.errstate(invalid="ignore"):
        inside = np.all((scores >= 0.0) & (scores <= 1.0), axis=1)
    if scores.shape[1] == 1:
        return np.asarray(inside)
    return np.asarray(inside & (np.abs(scores.sum(axis=1) - 1.0) < 0.01))


def _outputs(scores: Floats, outputs: int) -> Floats:
    found = np.asarray(scores, np.float64)
    if found.ndim != 2 or found.shape[1] != outputs:
        fix = f"give (n, {outputs}), as on the reference"
        raise InvalidInput("these are not the scores of this model", Fault("scores", str(found.shape), fix))
    return found


def _wanted(metrics: Sequence[str] | None) -> Sequence[str]:
    unheard = [name for name in metrics or () if name not in METRICS]
    if unheard:
        fix = f"use one of: {', '.join(METRICS)}"
        raise InvalidInput("there is no estimate of this metric", Fault("metrics", ", ".join(unheard), fix))
    return METRICS if metrics is None else metrics
