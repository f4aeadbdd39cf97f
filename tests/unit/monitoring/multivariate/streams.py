"""Tables to compare: numbers of known dependence, in time and between columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.signal import lfilter

from tropism.core.task import Feature

Floats = NDArray[np.float64]


def features(width: int) -> list[Feature]:
    return [Feature(f"c{index}") for index in range(width)]


def table(matrix: Floats) -> pa.Table:
    return pa.table({f"f_c{index}": column for index, column in enumerate(matrix.T)})


def vectors(matrix: Floats) -> pa.Table:
    return pa.table({"f_v": pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])})


def autoregressive(seed: int, rows: int, width: int, correlation: float) -> Floats:
    """Standard normal columns (rows, width); each row remembers the one before."""
    noise = np.random.default_rng(seed).normal(size=(rows + 200, width))
    found: Floats = lfilter([1.0], [1.0, -correlation], noise, axis=0)[200:] * np.sqrt(1 - correlation**2)
    return found


def tied(matrix: Floats) -> Floats:
    """The first two columns correlate by 0.8; each column alone is distributed as before."""
    found = matrix.copy()
    found[:, 1] = 0.8 * found[:, 0] + 0.6 * found[:, 1]
    return found
