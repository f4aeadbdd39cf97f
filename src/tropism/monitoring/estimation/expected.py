"""What a metric is expected to be when each row's label is only known by its probabilities.

A metric T of labels y (one-hot, (n, k)) is taken at their probabilities p, with its gradient there. By the delta
method the gradient gives both errors of the estimate: that of labels drawn from p, and that of p itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.evaluation.losses import losses, predicted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Kind

Floats = npt.NDArray[np.float64]
METRICS = ("accuracy", "precision", "recall", "f1", "auc", "brier", "log_loss")
AT_MOST_ONE = frozenset(METRICS) - {"brier", "log_loss"}
FEWEST_EXPECTED = 1.0
"""Rows of a class that must be expected before anything is said of how it is found."""


class Expected(NamedTuple):
    """`gradient` (n, k): how much the metric moves per unit of each row's probability of each class."""

    value: float
    gradient: Floats


class _Claims(NamedTuple):
    """One class against the rest: its probability, its scores, and whether each row was predicted to be it."""

    probability: Floats
    scores: Floats
    told: npt.NDArray[np.bool_]


def expected(metric: str, kind: Kind, scores: Floats, probabilities: Floats) -> Expected | str:
    """A metric of the model's scores (n, outputs) under probabilities (n, classes); a text says why there is none.

    precision, recall, f1 and auc are those of the positive class, or means over the classes of a multiclass task.

    >>> found = expected("accuracy", "binary", np.array([[0.9], [0.2]]), np.array([[0.1, 0.9], [0.8, 0.2]]))
    >>> round(found.value, 6)
    0.85
    """
    if metric not in _ONE_CLASS:
        return _mean_loss(metric, scores, probabilities)
    compute, told = _ONE_CLASS[metric], predicted(scores)
    if kind == "binary":
        found = compute(_Claims(probabilities[:, 1], scores[:, 0], told == 1))
        if isinstance(found, str):
            return found
        return Expected(found[0], np.stack([np.zeros(len(scores)), found[1]], axis=1))
    classes = range(scores.shape[1])
    parts = {c: compute(_Claims(probabilities[:, c], scores[:, c], told == c)) for c in classes}
    kept = {c: part for c, part in parts.items() if not isinstance(part, str)}
    if not kept:
        return str(parts[0])
    gradient = np.zeros_like(probabilities)
    for c, (_, slope) in kept.items():
        gradient[:, c] = slope / len(kept)
    return Expected(float(np.mean([value for value, _ in kept.values()])), gradient)


def chance(probabilities: Floats, gradient: Floats) -> float:
    """Variance of the metric over labels drawn independently, each row's from its probabilities (n, k).

    For the accuracy of n rows this is the variance of a Poisson-binomial count over n².
    """
    moved = probabilities * gradient
    return float(np.sum(moved * gradient) - np.sum(moved.sum(axis=1) ** 2))


def _mean_loss(metric: str, scores: Floats, probabilities: Floats) -> Expected:
    rows, classes = probabilities.shape
    each = np.stack([losses(metric, np.full(rows, float(c)), scores) for c in range(classes)], axis=1)
    gradient = (1.0 - each if metric == "accuracy" else each) / rows
    return Expected(float(np.sum(probabilities * gradient)), gradient)


def _precision(claims: _Claims) -> tuple[float, Floats] | str:
    claimed = int(np.count_nonzero(claims.told))
    if claimed == 0:
        return "no row was predicted to be positive"
    gradient: Floats = claims.told.astype(np.float64) / claimed
    return float(claims.probability @ gradient), gradient


def _recall(claims: _Claims) -> tuple[float, Floats] | str:
    positive = float(claims.probability.sum())
    if positive < FEWEST_EXPECTED:
        return "less than one positive row is expected"
    told = claims.told.astype(np.float64)
    value = float(claims.probability @ told) / positive
    return value, (told - value) / positive


def _f1(claims: _Claims) -> tuple[float, Floats] | str:
    positive = float(claims.probability.sum())
    if positive < FEWEST_EXPECTED:
        return "less than one positive row is expected"
    told = claims.told.astype(np.float64)
    bottom = positive + float(told.sum())
    value = 2.0 * float(claims.probability @ told) / bottom
    return value, (2.0 * told - value) / bottom


def _auc(claims: _Claims) -> tuple[float, Floats] | str:
    """Over all pairs of two rows, each counted as often as the first is positive and the second is not.

    With K = 1 where the first has the higher score and 1/2 for a tie, the area is the sum of p (1 - p') K over the
    sum of p (1 - p').
    """
    p, q = claims.probability, 1.0 - claims.probability
    if min(p.sum(), q.sum()) < FEWEST_EXPECTED:
        return "less than one row of a class is expected"
    _, place = np.unique(claims.scores, return_inverse=True)
    positive, negative = np.bincount(place, p), np.bincount(place, q)
    beaten = (np.cumsum(negative) - negative / 2)[place] - q / 2
    beaten_by = (p.sum() - np.cumsum(positive) + positive / 2)[place] - p / 2
    pairs = float(p.sum() * q.sum() - p @ q)
    value = float(p @ beaten) / pairs
    slope = beaten - beaten_by - value * ((q.sum() - q) - (p.sum() - p))
    return value, slope / pairs


_ONE_CLASS: dict[str, Callable[[_Claims], tuple[float, Floats] | str]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "auc": _auc,
}
