"""How well binary scores put positives before negatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tropism.evaluation.intervals import Interval, normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.evaluation.losses import Floats


def auc(labels: Floats, scores: Floats) -> Interval:
    """Area under the ROC curve, ties counting half; labels (n,) with two rows of each class, scores (n,).

    DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988; by midranks as in Sun, Xu, IEEE Signal Proc. Letters 21,
    2014. Where the classes are split perfectly, which has no spread to measure, the lower bound is that of the rule
    of three: 1 - 3 / (rows of the smaller class).

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])).value
    0.75
    """
    positive, negative = scores[labels == 1], scores[labels != 1]
    m, n = len(positive), len(negative)
    everything = _midranks(np.concatenate([positive, negative]))
    above = (everything[:m] - _midranks(positive)) / n
    below = 1.0 - (everything[m:] - _midranks(negative)) / m
    value = float(np.mean(above))
    if value in (0.0, 1.0):
        reach = min(1.0, 3 / min(m, n))
        return Interval(value, max(0.0, value - reach), min(1.0, value + reach))
    error = math.sqrt(float(np.var(above, ddof=1)) / m + float(np.var(below, ddof=1)) / n)
    return normal(value, error, 0.0, 1.0)


def average_precision(labels: Floats, scores: Floats) -> Callable[[Floats], float]:
    """Average precision as a function of how often each row counts (n,): mean precision at each gain in recall.

    Rows with equal scores enter together, so their order cannot matter.
    """
    order = np.argsort(-scores, kind="stable")
    positive = labels[order] == 1
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)

    def statistic(counts: Floats) -> float:
        weights = counts[order]
        hits, taken = np.cumsum(weights * positive)[last], np.cumsum(weights)[last]
        if hits[-1] == 0:
            return 0.0
        gained = np.diff(hits, prepend=0.0)
        return float(np.sum(gained * hits / np.maximum(taken, 1.0)) / hits[-1])

    return statistic


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    out: Floats = (ends - (counts - 1) / 2.0)[inverse]
    return out
