"""Metrics of predictions in time order, each with a 95% interval that allows for serial dependence.

The intervals are those of `evaluation`, which take rows as independent, widened by the root of how much dependence
inflates the variance: that of each row's influence on the metric (Hampel, The Influence Curve and its Role in Robust
Estimation, JASA 69, 1974).
"""

from __future__ import annotations

from math import inf, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from tropism.core.task import METRICS, Kind
from tropism.evaluation import intervals
from tropism.evaluation.intervals import Interval
from tropism.evaluation.losses import check, losses, predicted
from tropism.evaluation.ranking import auc
from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_CLASS_LEAST = 2
"""Rows of a class, and of the others, that the AUC needs."""


class Figure(msgspec.Struct, frozen=True):
    """A metric of `n` rows with its 95% interval; no interval for fewer than two rows.

    `n`: the rows that it is a mean over: of precision, those predicted to be positive.
    """

    n: int
    value: float
    low: float | None = None
    high: float | None = None


def figures(kind: Kind, labels: Floats, scores: Floats) -> dict[str, Figure]:
    """Metrics by name of labels (n,) and scores (n, k), rows in time order.

    binary: brier, log_loss, accuracy, precision, recall, f1, auc; positive from 0.5 on. multiclass: the same, where
    precision is the mean over the classes that were predicted, recall over those that came, f1 over both, and auc
    over the classes against all others. regression: mae, mse, rmse, mape, r2; mape over labels other than 0.
    A metric that these rows do not define is left out.

    Raises:
        InvalidInput: shapes or numbers that do not fit.

    >>> found = figures("binary", np.array([1.0, 0.0, 1.0, 0.0]), np.array([[0.9], [0.2], [0.4], [0.1]]))
    >>> found["accuracy"].value, found["precision"].n, found["recall"].value, found["auc"].value
    (0.75, 1, 0.5, 1.0)
    """
    check(labels, scores)
    if not len(labels):
        return {}
    if kind == "regression":
        return _regression(labels, scores[:, 0])
    found = {name: _mean(losses(name, labels, scores)) for name in METRICS[kind] if name != "accuracy"}
    told = predicted(scores)
    right = told == labels
    found["accuracy"] = _share(right, np.ones(len(labels), dtype=np.bool_))
    return found | (_binary(labels == 1, told == 1, scores[:, 0]) if kind == "binary" else _classes(labels, scores))


def mean_loss(metric: str, labels: Floats, scores: Floats) -> Figure | None:
    """The mean of a task's loss; None without rows. Raises InvalidInput.

    >>> mean_loss("mae", np.array([1.0, 3.0]), np.array([[1.0], [1.0]])).value
    1.0
    """
    return _mean(losses(metric, labels, scores)) if len(labels) else None


def _binary(true: Bools, told: Bools, score: Floats) -> dict[str, Figure]:
    found = {}
    if told.any():
        found["precision"] = _share(true & told, told)
    if true.any():
        found["recall"] = _share(true & told, true)
        found["f1"] = _f1(true, told)
    if _CLASS_LEAST <= np.count_nonzero(true) <= len(true) - _CLASS_LEAST:
        factor = inflation(_auc_influence(true, score)[1])
        found["auc"] = _widened(len(true), auc(true.astype(np.float64), score), factor, 0.0, 1.0)
    return found


def _classes(labels: Floats, scores: Floats) -> dict[str, Figure]:
    told, n = predicted(scores), len(labels)
    parts: dict[str, list[tuple[float, Floats]]] = {"precision": [], "recall": [], "f1": [], "auc": []}
    for number in range(scores.shape[1]):
        true, claimed = labels == number, told == number
        hits = (true & claimed).astype(np.float64)
        sides = {
            "precision": (hits, 1.0 * claimed),
            "recall": (hits, 1.0 * true),
            "f1": (2 * hits, 1.0 * true + claimed),
        }
        for name, (top, bottom) in sides.items():
            if bottom.any():
                parts[name].append(_ratio(top, bottom))
        if _CLASS_LEAST <= np.count_nonzero(true) <= n - _CLASS_LEAST:
            parts["auc"].append(_auc_influence(true, scores[:, number]))
    found = {}
    for name, each in parts.items():
        if each:
            influence = np.mean([part for _, part in each], axis=0)
            found[name] = _smooth(float(np.mean([value for value, _ in each])), influence, 0.0, 1.0)
    return found


def _regression(labels: Floats, score: Floats) -> dict[str, Figure]:
    errors = score - labels
    squares = errors**2
    mse = float(squares.mean())
    # The root has no slope at 0, but no error has no spread either.
    slope = (squares - mse) / (2 * sqrt(mse)) if mse > 0 else np.zeros(len(labels))
    found = {"mae": _mean(np.abs(errors)), "mse": _mean(squares), "rmse": _smooth(sqrt(mse), slope, 0.0)}
    named = labels != 0
    if named.any():
        found["mape"] = _mean(np.abs(errors[named] / labels[named]))
    spread = (labels - labels.mean()) ** 2
    if spread.any():
        ratio, influence = _ratio(squares, spread)
        found["r2"] = _smooth(1.0 - ratio, influence, high=1.0)
    return found


def _mean(values: Floats) -> Figure:
    return _smooth(float(values.mean()), values, 0.0)


def _smooth(value: float, influence: Floats, low: float = -inf, high: float = inf) -> Figure:
    if len(influence) < 2:
        return Figure(len(influence), value)
    return _widened(len(influence), intervals.smooth(value, influence), inflation(influence), low, high)


def _share(hits: Bools, of: Bools) -> Figure:
    """The share of `of` that is `hits`."""
    trials, successes = int(np.count_nonzero(of)), int(np.count_nonzero(hits))
    if trials < 2:
        return Figure(trials, successes / trials)
    # Of those rows alone: the rows between would hide how alike they are.
    factor = inflation(hits[of])
    return _widened(trials, intervals.proportion(successes, trials), factor, 0.0, 1.0)


def _f1(true: Bools, told: Bools) -> Figure:
    """F1 is 2J / (1 + J) of the share J that is a hit of the rows that are positive or were predicted to be."""
    share = _share(true & told, true | told)
    low, high = (None if bound is None else 2 * bound / (1 + bound) for bound in (share.low, share.high))
    return Figure(share.n, 2 * share.value / (1 + share.value), low, high)


def _widened(n: int, found: Interval, factor: float, low: float, high: float) -> Figure:
    root = sqrt(factor)
    bounds = found.value - root * (found.value - found.low), found.value + root * (found.high - found.value)
    return Figure(n, found.value, max(low, bounds[0]), min(high, bounds[1]))


def _ratio(top: Floats, bottom: Floats) -> tuple[float, Floats]:
    """A ratio of means and each row's influence on it."""
    value = float(top.sum() / bottom.sum())
    return value, (top - value * bottom) / bottom.mean()


def _auc_influence(true: Bools, score: Floats) -> tuple[float, Floats]:
    """The area under the ROC curve and each row's influence on it, by DeLong's placements (Biometrics 44, 1988)."""
    influence = np.empty(len(true))
    for side, sign in ((true, 1.0), (~true, -1.0)):
        others = np.sort(score[~side])
        below = np.searchsorted(others, score[side], "left") + np.searchsorted(others, score[side], "right")
        placed = below / (2 * len(others))
        influence[side] = (placed if sign > 0 else 1 - placed) * len(true) / np.count_nonzero(side)
    value = float(influence[true].sum() / len(true))
    for side in (true, ~true):
        influence[side] -= value * len(true) / np.count_nonzero(side)
    return value, influence
