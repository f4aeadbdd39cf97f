"""The bin of many numbers at once: a look-up in cells of float32's bits, about ten times as fast as a binary search.

The bits of a float32, read as a whole number (those of negative ones turned over), rise with its value. Shifted to the
right they number cells that are fine near zero and coarse far from it, and a table tells the bin of each cell. `freeze`
puts edges where cells begin; a cell that has an edge inside all the same is torn: its values are searched for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Bins = NDArray[np.uint8]
BLOCK = 65_536
_MOST_CELLS = 65_536
_MAGNITUDE = 0x7FFF_FFFF
_LARGEST = 0x7F7F_FFFF  # the key of the largest finite float32
_TORN = 255


class Cells(NamedTuple):
    """Cells between the second edge and the last but one. `bins`: the bin of each cell, shape (cells,)."""

    edges: Singles
    low: np.float32
    high: np.float32
    shift: int
    first: int
    bins: Bins
    torn: bool


class Scratch:
    """Memory for one block, used again for each; not for two threads at a time."""

    def __init__(self, rows: int) -> None:
        rows = min(rows, BLOCK)
        self.values = np.empty(rows, np.float32)
        self.keys = np.empty(rows, np.int32)
        self.cells = np.empty(rows, np.intp)
        self.bins = np.empty(rows, np.uint8)
        self.mask = np.empty(rows, np.bool_)


def key(value: np.float32 | float) -> int:
    """A whole number that rises with the value.

    >>> key(-1.0) < key(-0.5) < key(0.0) == key(-0.0) < key(1e-45) < key(2.0)
    True
    """
    bits = int((np.float32(value) + np.float32(0)).view(np.int32))
    return bits if bits >= 0 else bits ^ _MAGNITUDE


def value_at(key: int) -> np.float32:
    """The finite float32 that has the key, or is nearest to it."""
    key = min(max(key, -_LARGEST - 1), _LARGEST)
    if key == -1:  # of negative zero, which counts as zero
        key = -2
    return np.int32(key if key >= 0 else key ^ _MAGNITUDE).view(np.float32)


@lru_cache(maxsize=1024)
def cells(edges: tuple[float, ...]) -> Cells:
    """Cells for the edges of a binning, three or more of them; up to 64 KiB, kept for those last used."""
    keys = np.array([key(edge) for edge in edges], np.int64)
    inner = keys[1:-1]
    shift = _shift(inner)
    torn = (inner & ((1 << shift) - 1)) != 0
    low, high = int(inner[0] >> shift << shift) - 1, int((inner[-1] + (int(torn[-1]) << shift)) >> shift << shift)
    first, last = key(value_at(low)) >> shift, key(value_at(high)) >> shift
    starts = np.arange(first, last + 1, dtype=np.int64) << shift
    bins = np.searchsorted(keys, starts, side="right").clip(1, len(keys) - 1).astype(np.uint8)
    bins[(inner[torn] >> shift) - first] = _TORN
    singles = np.array(edges, np.float32)
    return Cells(singles, value_at(low), value_at(high), shift, first, bins, bool(torn.any()))


def _shift(inner: NDArray[np.int64]) -> int:
    """As far as all edges still begin a cell, or further if there were too many cells."""
    together = int(np.bitwise_or.reduce(inner))
    even = (together & -together).bit_length() - 1 if together else 31
    needed = 0
    while (int(inner[-1]) >> needed) - (int(inner[0]) >> needed) > _MOST_CELLS - 3:
        needed += 1
    return max(needed, min(even, 31))


def inner_bins(found: Cells, values: Singles, scratch: Scratch) -> Bins:
    """The bin of each value, shape (n,), as if those out of range were just within it. There is no NaN.

    Overwrites the values; what it returns is overwritten by the next call.
    """
    rows = len(values)
    cell, bins = scratch.cells[:rows], scratch.bins[:rows]
    np.minimum(values, found.high, out=values)
    np.maximum(values, found.low, out=values)
    keys = values.view(np.int32)
    if found.low <= 0:
        np.add(values, np.float32(0), out=values)  # -0.0 becomes 0.0
        flip = scratch.keys[:rows]
        np.right_shift(keys, 31, out=flip)
        np.bitwise_and(flip, _MAGNITUDE, out=flip)
        keys = np.bitwise_xor(keys, flip, out=flip)
    np.subtract(np.right_shift(keys, found.shift, out=scratch.keys[:rows]), found.first, out=cell)
    found.bins.take(cell, out=bins, mode="clip")
    if found.torn:
        doubtful = np.flatnonzero(np.equal(bins, _TORN, out=scratch.mask[:rows]))
        searched = np.searchsorted(found.edges, values[doubtful], side="right")
        bins[doubtful] = searched.clip(1, len(found.edges) - 1)
    return bins
