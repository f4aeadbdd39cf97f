"""Quantiles from a sketch that merges: KLL (Karnin, Lang and Liberty, "Optimal quantile approximation in streams",
FOCS 2016).

It keeps values, and errs in their rank, not in their size: numbers far from zero and close together, such as years or
moments, are told apart as well as others.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from math import ceil
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIZE = 512
RANK_ERROR = 0.0055
"""A rank is off by at most this share of the values, at 99% confidence (2.296 / SIZE^0.9723, as Apache DataSketches
has measured it). Up to SIZE values are kept as they are, and nothing is off."""
_SHRINK = 2 / 3
_LEAST = 8


class Quantiles(msgspec.Struct, frozen=True):
    """The sketch. `levels[i]` holds values that stand for 2^i each; `count` values in all. About 1,600 are kept.

    >>> Quantiles.of(np.array([3.0, 1.0, 2.0])).at([0.5])
    [2.0]
    """

    count: int = 0
    levels: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, values: Floats) -> Quantiles:
        """Of finite values, shape (n,)."""
        return cls(len(values), _compacted([values]))

    def merge(self, other: Quantiles) -> Quantiles:
        """Of the values of both. The error stays as stated, however many are merged."""
        height = max(len(self.levels), len(other.levels))
        both: list[Floats] = []
        for level in range(height):
            parts = [np.array(one.levels[level]) for one in (self, other) if level < len(one.levels)]
            both.append(np.concatenate(parts))
        return Quantiles(self.count + other.count, _compacted(both))

    def points(self) -> tuple[Floats, Floats]:
        """Values in order, and how many of all values each stands for: both of shape (k,)."""
        values = np.concatenate([np.zeros(0), *(np.array(level) for level in self.levels)])
        weights = np.repeat(2.0 ** np.arange(len(self.levels)), [len(level) for level in self.levels])
        order = np.argsort(values, kind="stable")
        return values[order], weights[order]

    def at(self, shares: Sequence[float]) -> list[float]:
        """The smallest value that so large a share of all values does not exceed; empty where there are none."""
        if not self.count:
            return []
        values, weights = self.points()
        places = np.searchsorted(np.cumsum(weights), np.array(shares) * self.count - 1e-9, side="left")
        found: list[Any] = values[np.minimum(places, len(values) - 1)].tolist()
        return found


def _compacted(levels: list[Floats]) -> tuple[tuple[float, ...], ...]:
    """Levels from the lowest on, each that is too long halved into the next one, until all fit."""
    level = 0
    while level < len(levels):
        if len(levels[level]) <= _room(len(levels) - 1 - level):
            level += 1
            continue
        if level + 1 == len(levels):
            levels.append(np.zeros(0))
        values = np.sort(levels[level])
        paired = values[len(values) % 2 :]
        # Either half by the toss of a coin, which is made of the values so that the same ones give the same sketch.
        coin = zlib.crc32(paired.tobytes()) & 1
        levels[level] = values[: len(values) % 2]
        levels[level + 1] = np.concatenate([levels[level + 1], paired[coin::2]])
        level = 0  # a new level leaves less room to those below
    return tuple(tuple(one.tolist()) for one in levels)


def _room(depth: int) -> int:
    """Values that fit into a level so far below the top one."""
    return max(_LEAST, ceil(SIZE * _SHRINK**depth))
