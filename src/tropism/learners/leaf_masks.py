"""Scores of batches from LightGBM's trees, many rows at once, with the bits of LightGBM's own predictor.

Leaves come from tables, see `leaf_tables`. Their values are added tree by tree in double precision, as LightGBM adds
them, and the link uses the C library's exponential, as LightGBM does; NumPy's differs in the last bit.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tropism.core.courtesy import give_way
from tropism.learners.leaf_tables import leaf_tables
from tropism.learners.links import ordered_sum
from tropism.learners.table_rows import TableRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tropism.learners.base import Floats, Shape
    from tropism.learners.leaf_tables import LeafTables
    from tropism.learners.lightgbm_text import Ensemble

_MOST_ROWS = 256
_WORK = 2**20
"""Bytes of table rows that are brought together at a time: what a core's own cache holds."""
_PROBES = 64


class LeafMasks:
    """Safe from any thread: blocks of rows take turns in the memory that they share."""

    least: ClassVar[int] = 16
    """Rows from which on this is worth it."""

    def __init__(self, tables: LeafTables, shape: Shape, averaged: bool) -> None:
        self._tables, self._shape, self._averaged = tables, shape, averaged
        self._rows = TableRows(tables.breaks)
        self._all = len(tables.features) == shape.width
        self._trees, features = len(tables.starts), len(tables.features)
        self._block = min(_MOST_ROWS, max(2, _WORK // (features * self._trees * tables.masks.itemsize)))
        self._starts = tables.starts[:, None]
        cells = self._block * self._trees
        self._gathered = np.empty(features * cells, tables.masks.dtype)
        self._left = np.empty(cells, tables.masks.dtype)
        self._before = np.empty(cells, np.uint8)
        self._places = np.empty(cells, np.intp)
        self._values = np.empty(cells)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, ensemble: Ensemble, shape: Shape) -> Self | None:
        """For audited trees; None if they do not fit, see `leaf_tables`."""
        tables = leaf_tables(ensemble.forest)
        return None if tables is None else cls(tables, shape, ensemble.averaged)

    def agrees(self, predict: Callable[[Floats], Floats]) -> bool:
        """Whether `predict` gives the same bits for rows of values at which trees split, and of missing ones.

        The same sums are certain, the same exponential is not where LightGBM was linked with a C library of its own.
        """
        matrix = np.full((_PROBES, self._shape.width), np.nan)
        chance = np.random.default_rng(0)
        for feature, breaks in zip(self._tables.features, self._tables.breaks, strict=True):
            give_way()
            matrix[:, feature] = chance.choice(np.append(breaks, np.nan), _PROBES)
        found = self.predict(matrix).tobytes()
        give_way()
        return found == predict(matrix).tobytes()

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n, outputs) of a matrix (n, width), n at least `least`."""
        count, width = matrix.shape
        if width != self._shape.width or count < self.least:
            raise ValueError(f"{count} x {width} numbers for a model of {self._shape.width} columns")
        raw = np.empty((self._shape.outputs, count))
        for span in _spans(count, _MOST_ROWS):
            part = matrix[span].T
            values = np.ascontiguousarray(part if self._all else part[self._tables.features], np.float64)
            self._add_up(self._rows.find(values), raw[:, span])
        if self._averaged:
            raw /= self._trees // self._shape.outputs
        return self._linked(np.ascontiguousarray(raw.T))

    def _add_up(self, rows: npt.NDArray[np.intp], out: Floats) -> None:
        """Sums (outputs, n) of the leaves that rows (features, n) of the tables leave over."""
        for span in _spans(rows.shape[1], self._block):
            with self._lock:
                self._block_sums(rows[:, span], out[:, span])

    def _block_sums(self, rows: npt.NDArray[np.intp], out: Floats) -> None:
        tables, count = self._tables, rows.shape[1]
        across, down = (count, self._trees), (self._trees, count)
        cells = count * self._trees
        gathered = self._gathered[: len(rows) * cells].reshape(len(rows), *across)
        left, before = self._left[:cells].reshape(across), self._before[:cells].reshape(across)
        places, values = self._places[:cells].reshape(down), self._values[:cells].reshape(down)
        tables.masks.take(rows, axis=0, out=gathered, mode="clip")
        np.bitwise_and.reduce(gathered, axis=0, out=left)
        np.subtract(left, 1, out=left)  # one bit is set: now as many as there are leaves before that one
        np.bitwise_count(left, out=before)
        np.add(before.T, self._starts, out=places)
        tables.values.take(places, out=values, mode="clip")
        # From 0 on, as LightGBM, so that -0 is never the sum.
        np.add.reduce(values.reshape(-1, len(out), count), axis=0, out=out, initial=0.0)

    def _linked(self, raw: Floats) -> Floats:
        if self._shape.kind == "regression":
            return raw
        if self._shape.kind == "binary":
            scores: Floats = 1.0 / (1.0 + _exp(-raw))
            return scores
        raised = _exp(raw - raw.max(axis=1, keepdims=True))
        shares: Floats = raised / ordered_sum(raised)[:, None]
        return shares


def _spans(count: int, most: int) -> Iterator[slice]:
    """Parts of at most `most` rows, all of one size, so the last may overlap. None is of one row unless `count` is:
    NumPy adds up a single column of numbers in another order than many beside each other."""
    size = -(-count // -(-count // most))
    for start in range(0, count, size):
        first = min(start, count - size)
        yield slice(first, first + size)


def _exp(values: Floats) -> Floats:
    """The C library's, element by element."""
    numbers = values.ravel().tolist()
    try:
        found = list(map(math.exp, numbers))
    except OverflowError:
        found = list(map(_unbounded_exp, numbers))
    return np.array(found).reshape(values.shape)


def _unbounded_exp(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf
