"""How much worse the mean loss is in one part of the rows than in another, and how likely chance alone does that."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Sums(NamedTuple):
    """Rows, sum of losses and of their squares: of one part of the rows, or arrays of many. They subtract."""

    rows: Floats
    total: Floats
    squares: Floats

    def less(self, part: Sums) -> Sums:
        return Sums(self.rows - part.rows, self.total - part.total, self.squares - part.squares)


class Difference(NamedTuple):
    """Mean loss inside and outside; `error`: of their difference; `freedom`: degrees; `p_value`: of as much worse."""

    rows: int
    inside: float
    outside: float
    error: float
    freedom: float
    p_value: float

    @property
    def value(self) -> float:
        return self.inside - self.outside

    @property
    def reach(self) -> float:
        """Half of the 95% interval."""
        return float(stdtrit(self.freedom, 0.975)) * self.error


def sums(codes: NDArray[np.int64], count: int, loss: Floats) -> Sums:
    """Of each code from 0 to `count` - 1; codes and loss have shape (n,).

    >>> sums(np.array([0, 1, 1]), 2, np.array([1.0, 2.0, 4.0])).total.tolist()
    [1.0, 6.0]
    """
    found = [np.bincount(codes, weights, count).astype(np.float64) for weights in (None, loss, loss**2)]
    return Sums(*found)


def chances(inside: Sums, outside: Sums, spread: float) -> Floats:
    """Probability, if rows were independent, that the mean inside is as much higher though nothing differs.

    Welch's test with the larger of the inside's variance and that of all rows, `spread`: a few rows that happen to
    have one loss tell little of their variance. 1 where either side has fewer than two rows.
    """
    enough = (inside.rows > 1) & (outside.rows > 1)
    rows, others = np.where(enough, inside.rows, 2.0), np.where(enough, outside.rows, 2.0)
    value = inside.total / rows - outside.total / others
    variance = np.maximum(_variance(inside, rows), spread) / rows + _variance(outside, others) / others
    ratio = value / np.sqrt(np.where(variance > 0, variance, 1.0))
    return np.where(enough & (variance > 0), stdtr(np.minimum(rows, others) - 1, -ratio), 1.0)


def compare(loss: Floats, inside: Bools, spread: float, entities: NDArray[np.int64] | None = None) -> Difference:
    """The rows inside beside the others, as `chances`, yet allowing for dependence.

    Args:
        loss: shape (n,), rows in time order.
        inside: which rows are, shape (n,); at least two are and two are not.
        spread: variance of the loss over all rows.
        entities: whom each row is about, shape (n,): rows of one may depend on each other in any way.

    The error is widened by how much dependence inflates the variance of the rows' influence on the difference, or
    that of the inside by itself, whose own spells the rows between would hide.

    >>> found = compare(np.array([1.0, 0.0, 1.2, 0.1] * 50), np.array([True, False] * 100), 0.3)
    >>> round(found.value, 2), found.p_value < 1e-6
    (1.05, True)
    """
    part, rest = loss[inside], loss[~inside]
    influence = np.where(inside, (loss - part.mean()) / len(part), -(loss - rest.mean()) / len(rest))
    factor = max(inflation(influence, entities), inflation(part))
    variance = max(float(part.var(ddof=1)), spread) / len(part) + float(rest.var(ddof=1)) / len(rest)
    error = float(np.sqrt(variance * factor))
    freedom = max(min(len(part), len(rest)) / factor - 1, 1.0)
    value = float(part.mean() - rest.mean())
    p_value = float(stdtr(freedom, -value / error)) if error > 0 else 1.0
    return Difference(len(part), float(part.mean()), float(rest.mean()), error, freedom, p_value)


def adjusted(p_values: ArrayLike) -> Floats:
    """The smallest share of false discoveries at which each would count (Benjamini and Hochberg, 1995).

    >>> adjusted([0.01, 0.5, 0.02]).round(3).tolist()
    [0.03, 0.5, 0.03]
    """
    found = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(found)
    scaled = found[order] * len(found) / np.arange(1, len(found) + 1)
    out = np.empty(len(found))
    out[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return out


def shrunken(value: float, error: float, looked_at: int) -> float:
    """A difference with its noise taken off: 0 where the largest of `looked_at` pure noises would be as large.

    The non-negative garrote (Breiman, 1995) at the universal threshold, error * sqrt(2 log n) (Donoho and Johnstone,
    1994; Gao, 1998): a large difference stays nearly what it is, a small segment's must be larger to count.

    >>> shrunken(0.3, 0.1, 100), round(shrunken(0.3, 0.01, 100), 2)
    (0.0, 0.3)
    """
    if value == 0:
        return 0.0
    return value * max(0.0, 1 - 2 * log(max(looked_at, 2)) * (error / value) ** 2)


def _variance(part: Sums, rows: Floats) -> Floats:
    return np.maximum(part.squares - part.total**2 / rows, 0.0) / (rows - 1)
