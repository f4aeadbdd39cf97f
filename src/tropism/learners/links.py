"""Turns real numbers into probabilities. A row gives the same bits alone and among others: sums run left to right,
one element at a time, and arrays are contiguous, so each element takes the same instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tropism.core.task import Kind
    from tropism.learners.base import Floats

LEAST = 1e-15
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken."""
_LOWEST = -700.0


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow.

    >>> sigmoid(np.array([0.0, 1e4])).tolist(), bool(sigmoid(np.array([-1e4]))[0] < 1e-300)
    ([0.5, 1.0], True)
    """
    out: Floats = 1.0 / (1.0 + np.exp(-np.maximum(z, _LOWEST)))
    return out


def softmax(z: Floats) -> Floats:
    """exp(z) over its sum along the last axis, of z (n, k)."""
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    out: Floats = raised / ordered_sum(raised)[:, None]
    return out


def logit(p: Floats) -> Floats:
    """log(p / (1 - p)), with p cut to `LEAST`..1-`LEAST`."""
    cut = np.minimum(np.maximum(p, LEAST), 1.0 - LEAST)  # np.clip costs a single row 4 µs more
    out: Floats = np.log(cut) - np.log1p(-cut)
    return out


def unlinked(kind: Kind, scores: Floats) -> Floats:
    """Raw scores (n, outputs): log-odds of a binary task, log probabilities of a multiclass one, else the numbers."""
    if kind == "binary":
        return logit(scores)
    return np.log(np.maximum(scores, LEAST)) if kind == "multiclass" else scores


def ordered_sum(values: Floats) -> Floats:
    """Sums along the last axis, first to last. `np.sum` groups terms by the shape of the whole array."""
    total: Floats = np.add.accumulate(values, axis=-1)[..., -1]
    return total
