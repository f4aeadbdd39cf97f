"""Windows of time, by their edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import Fault, InvalidInput


def edges(times: NDArray[np.int64], bins: int | Sequence[int]) -> NDArray[np.int64]:
    """Where windows of time begin and end: the edges given, or those of `bins` windows of equal length over `times`.

    Raises:
        InvalidInput: there are no bins.

    >>> edges(np.array([0, 9]), 2).tolist()
    [0, 5, 10]
    """
    if not isinstance(bins, int):
        given = np.asarray(bins, dtype=np.int64)
        if len(given) < 2 or (np.diff(given) <= 0).any():
            raise InvalidInput("edges do not make windows", Fault("bins", str(list(bins)), "give two or more, rising"))
        return given
    if bins < 1:
        raise InvalidInput("no windows", Fault("bins", str(bins), "use 1 or more"))
    if not len(times):
        return np.zeros(1, dtype=np.int64)
    first, span = int(times.min()), int(times.max()) - int(times.min()) + 1
    return np.unique(np.array([first + span * step // bins for step in range(bins + 1)], dtype=np.int64))
