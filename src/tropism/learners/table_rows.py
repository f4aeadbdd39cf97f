"""Finds, for many features at once, between which of its breaks a value lies.

A guide table (Chen, Asau, On Generating Random Variates from an Empirical Distribution, AIIE Transactions 6, 1974):
the range of a feature is cut into equal cells, and a table tells how many breaks lie in the cells before. What is left
are comparisons with the few breaks in the value's own cell. Which cell a number falls in may be rounded, but never
decreases with the number, which is all that exactness needs. Where breaks crowd, binary search does it instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tropism.core.courtesy import give_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.data import Floats

_CELLS = 1024
_MOST_STEPS = 3
"""Comparisons in a cell that cost less than a binary search."""
_TAILS = (0.0, 0.01, 0.05)
"""Shares of breaks at either end that may be left to the outermost cells, so that others get more of them."""


class TableRows:
    """Tables of features, one below the other: of n breaks, n + 1 rows for numbers and one for NaN.

    >>> TableRows([np.array([0.0, 5.0]), np.array([1.0])]).find(np.array([[5.0, 6.0, np.nan], [-9.0, 1.5, 1.0]]))
    array([[1, 2, 3],
           [4, 5, 4]])
    """

    def __init__(self, breaks: Sequence[Floats]) -> None:
        """Breaks of each feature, ascending, finite, at least one."""
        sizes = np.array([len(one) + 2 for one in breaks], np.intp)
        self._firsts = np.cumsum(sizes) - sizes
        self._breaks = breaks
        self._limits = np.concatenate([np.append(one, [np.inf, np.inf]) for one in breaks])
        scales = [_scale(one) for one in breaks]
        self._low = np.array([low for low, _, _ in scales])[:, None]
        self._scale = np.array([scale for _, scale, _ in scales])[:, None]
        self._steps = max([steps for _, _, steps in scales if steps <= _MOST_STEPS], default=0)
        self._crowded = [index for index, (_, _, steps) in enumerate(scales) if steps > _MOST_STEPS]
        self._offsets = np.arange(len(breaks), dtype=np.float64)[:, None] * (_CELLS + 1)
        self._guide = np.concatenate([self._guided(index) for index in range(len(breaks))])

    def find(self, values: Floats) -> npt.NDArray[np.intp]:
        """Row of each value, of values (features, n)."""
        with np.errstate(over="ignore"):
            cells = np.subtract(values, self._low)
            np.multiply(cells, self._scale, out=cells)
        np.minimum(cells, _CELLS - 1.0, out=cells)
        np.fmin(cells, float(_CELLS), out=cells)  # NaN, to a cell of its own
        np.maximum(cells, 0.0, out=cells)
        np.trunc(cells, out=cells)
        np.add(cells, self._offsets, out=cells)
        found: npt.NDArray[np.intp] = self._guide.take(cells.astype(np.intp), mode="clip")
        for _ in range(self._steps):
            found += values > self._limits.take(found, mode="clip")
        for index in self._crowded:
            found[index] = self._search(index, values[index])
            found[index] += self._firsts[index]
        return found

    def _guided(self, index: int) -> npt.NDArray[np.intp]:
        give_way()
        breaks = self._breaks[index]
        before = np.searchsorted(_cells(breaks, self._low[index], self._scale[index]), np.arange(_CELLS))
        guide: npt.NDArray[np.intp] = np.append(before, len(breaks) + 1) + self._firsts[index]
        return guide

    def _search(self, index: int, values: Floats) -> npt.NDArray[np.intp]:
        breaks = self._breaks[index]
        found: npt.NDArray[np.intp] = np.where(np.isnan(values), len(breaks) + 1, np.searchsorted(breaks, values))
        return found


def _cells(values: Floats, low: float | Floats, scale: float | Floats) -> Floats:
    with np.errstate(over="ignore"):
        scaled = (values - low) * scale
    cells: Floats = np.trunc(np.clip(scaled, 0.0, _CELLS - 1.0))
    return cells


def _scale(breaks: Floats) -> tuple[float, float, int]:
    """Where the cells of a feature begin, cells a unit, and the most breaks that share one."""
    best = (0.0, 1.0, len(breaks))
    for tail in _TAILS:
        give_way()
        cut = int(len(breaks) * tail)
        low, high = float(breaks[cut]), float(breaks[-1 - cut])
        width = high - low
        scale = (_CELLS - 2) / width if 0.0 < width < np.inf else 1.0
        if not 0.0 < scale < np.inf:
            continue
        most = int(np.unique(_cells(breaks, low, scale), return_counts=True)[1].max())
        best = min(best, (low, scale, most), key=lambda one: one[2])
    return best
