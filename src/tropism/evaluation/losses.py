"""The loss of each single prediction. Decisions rest on means of these; lower is better in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]
CLIP = 1e-6
"""Log loss takes probabilities no closer to 0 and 1 than this: one prediction costs at most 13.8."""
_HIGHER = frozenset({"accuracy", "auc", "average_precision", "precision", "recall", "f1", "macro_f1", "r2"})


def losses(metric: str, labels: Floats, scores: Floats) -> Floats:
    """Loss (n,) of each prediction.

    labels (n,): 0 or 1, class numbers, or numbers. scores: (n, 1) probability of the positive class, (n, k) one
    a class, or (n, 1) the predicted number. `log_loss` is cut off (see `CLIP`); `brier` sums over the classes of a
    multiclass task and is the squared error of the probability of a binary one; `accuracy` is 1 for a wrong class
    and 0 for the right one, where binary counts as positive from 0.5 on; `mae` and `mse` are absolute and squared
    errors.

    Raises:
        InvalidInput: no such metric, or shapes or numbers that do not fit.

    >>> losses("accuracy", np.array([1.0, 0.0]), np.array([[0.9], [0.8]])).tolist()
    [0.0, 1.0]
    """
    loss = _LOSSES.get(metric)
    if loss is None:
        raise InvalidInput(
            "there is no such metric", Fault("metric", repr(metric), f"use one of: {', '.join(_LOSSES)}")
        )
    check(labels, scores)
    return loss(labels, scores)


def check(labels: Floats, scores: Floats) -> None:
    """Raises `InvalidInput` unless labels are (n,), scores (n, k) and both finite."""
    if labels.ndim != 1 or scores.ndim != 2 or len(labels) != len(scores):
        shown = f"labels {labels.shape}, scores {scores.shape}"
        raise InvalidInput("labels and scores do not line up", Fault("scores", shown, "give (n,) and (n, k)"))
    for name, array in (("labels", labels), ("scores", scores)):
        if not np.all(np.isfinite(array)):
            raise InvalidInput(f"{name} hold what is no number", Fault(name, "NaN or infinity", "leave such rows out"))


def display(metric: str, mean_loss: float) -> float:
    """The mean of a loss as people read the metric: accuracy is the share of right answers, others stay.

    >>> display("accuracy", 0.25), display("mae", 2.0)
    (0.75, 2.0)
    """
    return 1.0 - mean_loss if metric == "accuracy" else mean_loss


def higher_is_better(metric: str) -> bool:
    """Whether the displayed metric is better when it is larger.

    >>> higher_is_better("accuracy"), higher_is_better("log_loss")
    (True, False)
    """
    return metric in _HIGHER


def predicted(scores: Floats) -> npt.NDArray[np.int64]:
    """The most probable class (n,); binary scores count as positive from 0.5 on."""
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] >= 0.5, np.int64)
    return np.asarray(np.argmax(scores, axis=1), np.int64)


def _log_loss(labels: Floats, scores: Floats) -> Floats:
    told = np.where(labels == 1, scores[:, 0], 1.0 - scores[:, 0]) if scores.shape[1] == 1 else _told(labels, scores)
    out: Floats = -np.log(np.clip(told, CLIP, 1.0 - CLIP))
    return out


def _brier(labels: Floats, scores: Floats) -> Floats:
    if scores.shape[1] == 1:
        return _mse(labels, scores)
    out: Floats = np.sum(scores**2, axis=1) - 2.0 * _told(labels, scores) + 1.0
    return out


def _accuracy(labels: Floats, scores: Floats) -> Floats:
    return np.asarray(predicted(scores) != labels, np.float64)


def _mae(labels: Floats, scores: Floats) -> Floats:
    out: Floats = np.abs(scores[:, 0] - labels)
    return out


def _mse(labels: Floats, scores: Floats) -> Floats:
    return (scores[:, 0] - labels) ** 2


def _told(labels: Floats, scores: Floats) -> Floats:
    """The probability that was given to what happened."""
    classes = labels.astype(np.int64)
    if len(classes) and (classes.min() < 0 or classes.max() >= scores.shape[1]):
        fix = f"use class numbers from 0 to {scores.shape[1] - 1}"
        raise InvalidInput("a label is no class", Fault("labels", f"{classes.min()} to {classes.max()}", fix))
    out: Floats = scores[np.arange(len(scores)), classes]
    return out


_LOSSES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
    "mae": _mae,
    "mse": _mse,
}
