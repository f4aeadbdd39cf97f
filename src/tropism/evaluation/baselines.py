"""Reference predictions on the same rows, each made only from labels that were known when it was made.

A label is known to a prediction when `known_at` is not after the prediction's `at`; a label known at the very
moment of its own prediction is known from the next microsecond on, so that no prediction sees its own answer.
Rows may come in any order. A label that is not known yet is NaN, or has a `known_at` in the future.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.core.clock import DAY
from tropism.core.errors import Fault, InvalidInput
from tropism.evaluation.losses import Floats

if TYPE_CHECKING:
    from tropism.core.task import Kind

Times = npt.NDArray[np.int64]
EVEN = 1e-9
"""How much likelier than chance the last label is at least, so that it is always the most probable one."""
WEEK = 7 * DAY


class History(NamedTuple):
    """Predictions and when their labels became known, all (n,): `at` and `known_at` in µs since the epoch.

    `outputs`: scores a row: number of classes for multiclass tasks, else 1. `entity`: codes (n,) of what each row
    is about, for baselines that look at one entity alone. `period` in µs and `bins`: for the seasonal one.
    """

    kind: Kind
    outputs: int
    at: Times
    known_at: Times
    labels: Floats
    entity: npt.NDArray[np.int64] | None = None
    period: int = WEEK
    bins: int = 168


def reference(name: str, history: History) -> Floats:
    """Scores (n, outputs) of a baseline: majority, mean, last-label or seasonal.

    Before the first label is known, classes are equally likely and the number is 0; `labels_known` tells.

    Raises:
        InvalidInput: no such baseline, or one that does not fit the kind.

    >>> h = History("regression", 1, np.array([0, 10, 20]), np.array([5, 15, 99]), np.array([1.0, 3.0, 8.0]))
    >>> reference("mean", h).ravel().tolist(), reference("last-label", h).ravel().tolist()
    ([0.0, 1.0, 2.0], [0.0, 1.0, 3.0])
    """
    allowed = ("mean" if history.kind == "regression" else "majority", "last-label", "seasonal")
    if name not in allowed:
        fix = f"use one of: {', '.join(allowed)}"
        raise InvalidInput(f"no such baseline for {history.kind} tasks", Fault("baseline", repr(name), fix))
    if name == "last-label":
        return _last_label(history)
    scores = _seasonal(history) if name == "seasonal" else _overall(history)
    return scores[:, 1:] if history.kind == "binary" else scores


def labels_known(at: Times, known_at: Times) -> npt.NDArray[np.int64]:
    """How many labels were known at each prediction (n,).

    >>> labels_known(np.array([0, 10, 20]), np.array([0, 20, 99])).tolist()
    [0, 1, 2]
    """
    return np.searchsorted(np.sort(_usable(at, known_at)), at, side="right").astype(np.int64)


def _usable(at: Times, known_at: Times) -> Times:
    """From when on a label may be used: never at its own prediction's moment."""
    out: Times = np.maximum(known_at, at + 1)
    return out


def _moments(history: History) -> Times:
    never = np.iinfo(np.int64).max
    return np.where(np.isnan(history.labels), never, _usable(history.at, history.known_at))


def _classes(history: History) -> int:
    return max(history.outputs, 2)


def _answers(history: History) -> Floats:
    """Labels as rows (n, 1) of numbers or (n, classes) of one-hot; zeros where a label is not known."""
    labels = np.nan_to_num(history.labels, nan=0.0)
    if history.kind == "regression":
        return labels[:, None]
    hot = np.eye(_classes(history))[labels.astype(np.int64)]
    hot[np.isnan(history.labels)] = 0.0
    return hot


def _known_sums(values: Floats, usable: Times, at: Times) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Sums (m, k) of the rows of `values` that are known at each of the moments `at` (m,), and how many they are."""
    order = np.argsort(usable, kind="stable")
    counts = np.searchsorted(usable[order], at, side="right").astype(np.int64)
    sums = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values[order], axis=0)])
    return sums[counts], counts


def _overall(history: History) -> Floats:
    """The mean of the known numbers, or the classes' shares with one more row of each counted (Laplace)."""
    sums, counts = _known_sums(_answers(history), _moments(history), history.at)
    if history.kind == "regression":
        return sums / np.maximum(counts, 1)[:, None]
    return (sums + 1) / (counts + _classes(history))[:, None]


def _seasonal(history: History) -> Floats:
    """The mean of known labels at the same position in the period, with one row at the overall mean added."""
    overall, answers, usable = _overall(history), _answers(history), _moments(history)
    scores = np.empty_like(overall)
    for rows in _groups(history.at % history.period * history.bins // history.period):
        sums, counts = _known_sums(answers[rows], usable[rows], history.at[rows])
        scores[rows] = (sums + overall[rows]) / (counts + 1)[:, None]
    return scores


def _last_label(history: History) -> Floats:
    """The known label of the latest prediction, of the same entity if there are entities.

    For classes, its probability is how often that guess was right on the labels known so far. Where none is known,
    the overall baseline answers.
    """
    usable = _moments(history)
    last = np.full(len(history.at), -1)
    for rows in _groups(np.zeros_like(history.at) if history.entity is None else history.entity):
        found = _latest(history.at[rows], usable[rows])
        last[rows] = np.where(found >= 0, rows[found], -1)
    scores, known = _overall(history), np.flatnonzero(last >= 0)
    label = history.labels[last]
    if history.kind == "regression":
        scores[known, 0] = label[known]
        return scores
    tried = np.stack([(label == history.labels) & (last >= 0), last >= 0], axis=1).astype(np.float64)
    sums, _ = _known_sums(tried, usable, history.at)
    classes = _classes(history)
    share = np.maximum((sums[:, 0] + 1) / (sums[:, 1] + classes), 1 / classes + EVEN)[known]
    scores[known] = ((1 - share) / (classes - 1))[:, None]
    scores[known, label[known].astype(np.int64)] = share
    return scores[:, 1:] if history.kind == "binary" else scores


def _latest(at: Times, usable: Times) -> npt.NDArray[np.int64]:
    """For each row (n,), the row predicted last among those whose label is known by then; -1 for none."""
    by_time = np.argsort(at, kind="stable")
    rank = np.empty_like(by_time)
    rank[by_time] = np.arange(len(at))
    order = np.argsort(usable, kind="stable")
    newest = np.maximum.accumulate(rank[order]) if len(order) else order
    counts = np.searchsorted(usable[order], at, side="right")
    return np.concatenate([[-1], by_time[newest]]).astype(np.int64)[counts]


def _groups(codes: Times) -> list[npt.NDArray[np.int64]]:
    """Row numbers of each different code."""
    order = np.argsort(codes, kind="stable").astype(np.int64)
    return [rows for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(rows)]
