"""Splits by time. A row may be learnt from only if its label was known when the slice it is judged on began."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.errors import Fault, TrainingFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ROWS = 20


class Split(NamedTuple):
    """Row numbers: `fit` to learn from, `validation` to be judged on."""

    fit: NDArray[np.intp]
    validation: NDArray[np.intp]


_SHARE = 1 / 3


def time_split(at: NDArray[np.int64], known_at: NDArray[np.int64], most: int) -> Split:
    """The last third of the rows (at most `most`) for validation; of the rest, those known by its start.

    Parameters: `at`, `known_at`: (n,) µs, `at` ascending: when a row was predicted, when its label was known.

    Raises:
        TrainingFailed: fewer than 20 rows remain on a side.

    >>> split = time_split(np.arange(100), np.arange(100) + 5, 20)
    >>> len(split.validation), int(split.fit[-1])
    (20, 74)
    """
    rows = len(at)
    size = min(max(int(rows * _SHARE), MIN_ROWS), most)
    start = rows - size
    earlier = np.arange(max(start, 0))
    if start > 0:
        earlier = earlier[known_at[:start] < at[start]]
    if len(earlier) < MIN_ROWS:
        raise TrainingFailed(
            f"{rows} labelled rows are too few to train and validate on",
            Fault("rows", str(rows), f"wait until {MIN_ROWS} labels are known before the last {size} predictions"),
        )
    return Split(earlier, np.arange(start, rows))
