"""Every metric that is reported for a kind of task, each with a 95% interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput
from tropism.core.task import METRICS
from tropism.evaluation import intervals
from tropism.evaluation.intervals import Interval
from tropism.evaluation.losses import check, display, higher_is_better, losses, predicted
from tropism.evaluation.ranking import auc, average_precision

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Kind
    from tropism.evaluation.losses import Floats

__all__ = ["Interval", "display", "higher_is_better", "losses", "omissions", "summarise"]

Bools = npt.NDArray[np.bool_]
BINS = 10
_FEW = "needs at least two rows"


def summarise(kind: Kind, labels: Floats, scores: Floats, *, seed: int = 0) -> dict[str, Interval]:
    """Metrics of labels (n,) and scores (n, k) by name, as people read them.

    binary: log_loss, brier, accuracy, precision, recall, f1, auc, average_precision, calibration_error.
    multiclass: log_loss, brier, accuracy, macro_f1, calibration_error. regression: mae, mse, rmse, r2.
    A metric that these rows do not define is left out; `omissions` says why. `seed` draws the bootstrap samples.

    Raises:
        InvalidInput: shapes or numbers that do not fit.

    >>> found = summarise("regression", np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [6.0]]))
    >>> found["mae"].value, found["r2"].value
    (1.0, -3.5)
    """
    missing = omissions(kind, labels, scores)
    if len(labels) < 2:
        return {}
    found = {metric: _mean(metric, labels, scores) for metric in METRICS[kind]}
    if kind == "regression":
        return found | _regression(labels, scores[:, 0], missing)
    if kind == "multiclass":
        found["macro_f1"] = _macro_f1(labels, scores)
    else:
        found |= _binary(labels, scores, missing, seed)
    return found | {"calibration_error": intervals.resampled(_calibration(labels, scores), len(labels), seed)}


def omissions(kind: Kind, labels: Floats, scores: Floats) -> dict[str, str]:
    """Why `summarise` leaves a metric out, by name.

    >>> omissions("binary", np.zeros(9), np.zeros((9, 1)))["auc"]
    'needs two rows of each class; there are 0 positive and 9 negative'
    """
    check(labels, scores)
    if len(labels) < 2:
        return dict.fromkeys([*METRICS[kind], *_FURTHER[kind]], _FEW)
    if kind == "regression":
        return {"r2": "every label is the same number"} if np.all(labels == labels[0]) else {}
    if kind == "multiclass":
        return {}
    _check_binary(labels, scores)
    positive = int(np.count_nonzero(labels == 1))
    negative = len(labels) - positive
    missing = {}
    if min(positive, negative) < 2:
        missing["auc"] = f"needs two rows of each class; there are {positive} positive and {negative} negative"
    if positive == 0:
        missing |= dict.fromkeys(("average_precision", "recall", "f1"), "needs a positive row; there is none")
    if not np.any(predicted(scores)):
        missing["precision"] = "no row was predicted to be positive"
    return missing


_FURTHER: dict[Kind, tuple[str, ...]] = {
    "binary": ("precision", "recall", "f1", "auc", "average_precision", "calibration_error"),
    "multiclass": ("macro_f1", "calibration_error"),
    "regression": ("rmse", "r2"),
}


def _check_binary(labels: Floats, scores: Floats) -> None:
    if scores.shape[1] != 1 or not np.all((labels == 0) | (labels == 1)):
        shown = f"scores {scores.shape}, labels {np.unique(labels)[:4].tolist()}"
        raise InvalidInput("this is not binary", Fault("labels", shown, "give labels 0 and 1 and scores (n, 1)"))


def _mean(metric: str, labels: Floats, scores: Floats) -> Interval:
    each = losses(metric, labels, scores)
    if metric == "accuracy":
        return intervals.proportion(int(np.count_nonzero(each == 0)), len(each))
    return intervals.mean(each, 0.0)


def _binary(labels: Floats, scores: Floats, missing: dict[str, str], seed: int) -> dict[str, Interval]:
    told, true = predicted(scores), labels == 1
    hits, claimed, positive = (int(np.count_nonzero(x)) for x in (true & (told == 1), told, true))
    found: dict[str, Callable[[], Interval]] = {
        "precision": lambda: intervals.proportion(hits, claimed),
        "recall": lambda: intervals.proportion(hits, positive),
        "f1": lambda: _f1(true, told == 1),
        "auc": lambda: auc(labels, scores[:, 0]),
        "average_precision": lambda: intervals.resampled(
            average_precision(labels, scores[:, 0]), len(labels), seed, intervals.on_log_odds
        ),
    }
    return {metric: compute() for metric, compute in found.items() if metric not in missing}


def _f1(true: Bools, told: Bools) -> Interval:
    value, influence = _f1_influence(true, told)
    return intervals.smooth(value, influence, 0.0, 1.0)


def _f1_influence(true: Bools, told: Bools) -> tuple[float, Floats]:
    """F1 = 2 hits / (claimed + positive), a ratio of means, and the influence of each row on it."""
    top, bottom = 2.0 * (true & told), true.astype(np.float64) + told
    value = float(top.sum() / bottom.sum())
    return value, (top - value * bottom) / bottom.mean()


def _macro_f1(labels: Floats, scores: Floats) -> Interval:
    """The mean of F1 over the classes that were seen or predicted."""
    told = predicted(scores)
    parts = [_f1_influence(labels == c, told == c) for c in np.union1d(labels.astype(np.int64), told)]
    influence = np.mean([part for _, part in parts], axis=0)
    return intervals.smooth(float(np.mean([value for value, _ in parts])), influence, 0.0, 1.0)


def _regression(labels: Floats, scores: Floats, missing: dict[str, str]) -> dict[str, Interval]:
    squares = (scores - labels) ** 2
    mse = float(np.mean(squares))
    rmse = math.sqrt(mse)
    # The root has no slope at 0, but no error has no spread either.
    influence = (squares - mse) / (2 * rmse) if rmse > 0 else np.zeros(len(labels))
    found = {"rmse": intervals.smooth(rmse, influence, 0.0)}
    if "r2" not in missing:
        spread = (labels - np.mean(labels)) ** 2
        ratio = float(np.sum(squares) / np.sum(spread))
        influence = (squares - ratio * spread) / np.mean(spread)
        found["r2"] = intervals.smooth(1.0 - ratio, influence, high=1.0)
    return found


def _calibration(labels: Floats, scores: Floats) -> Callable[[Floats], float]:
    """Expected calibration error over ten bins of equal width, as a function of how often each row counts.

    Binary: of the probability of the positive class; else of the most probable class. Naeini, Cooper, Hauskrecht,
    Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    if scores.shape[1] == 1:
        said, came = scores[:, 0], labels
    else:
        said, came = scores.max(axis=1), (predicted(scores) == labels).astype(np.float64)
    bins = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    gap = said - came

    def statistic(counts: Floats) -> float:
        return float(np.sum(np.abs(np.bincount(bins, gap * counts, BINS))) / np.sum(counts))

    return statistic
