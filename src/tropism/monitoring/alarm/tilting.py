"""Exponential tilting of a distribution over bins: the family in which drift is tested."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = 50
_REACH = 0.98
"""How close to the largest value of a score a tilted mean may come."""


class Tilt(NamedTuple):
    """The members p(b) exp(`slope` score(b) - `norm`) of the family through p, each of shape (n, m)."""

    slope: Floats
    norm: Floats


def tilt(scores: Floats, base: Floats, means: Floats) -> Tilt:
    """Members of n families whose scores have the given means.

    Args:
        scores: a score of each bin, shape (n, b), of mean 0 under `base`.
        base: probabilities of the bins, shape (n, b).
        means: wanted means, 0 or more, shape (n, m). Those that the score cannot have become the nearest it can.

    >>> coin = tilt(np.array([[-0.5, 0.5]]), np.array([[0.5, 0.5]]), np.array([[0.25]]))
    >>> round(float(np.exp(coin.slope * 0.5 - coin.norm)[0, 0] * 0.5), 3)
    0.75
    """
    wanted = np.minimum(means, scores.max(axis=1, keepdims=True) * _REACH)
    low, high = np.zeros_like(wanted), np.ones_like(wanted)
    for _ in range(_STEPS):
        short = _mean(scores, base, high)[0] < wanted
        if not short.any():
            break
        high[short] *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        short = _mean(scores, base, middle)[0] < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    slope = (low + high) / 2
    return Tilt(slope, _mean(scores, base, slope)[1])


def _mean(scores: Floats, base: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Means of the scores under the tilted distributions, and the logarithms of their normalising sums."""
    exponent = slope[:, :, None] * scores[:, None, :]
    top = exponent.max(axis=2, keepdims=True)
    mass = base[:, None, :] * np.exp(exponent - top)
    total = mass.sum(axis=2)
    return (mass * scores[:, None, :]).sum(axis=2) / total, np.log(total) + top[:, :, 0]
