"""The ratio of two sums over the same units, such as revenue per session, as one number per unit.

Source: the delta method for ratio metrics (Deng, Knoblich and Lu, "Applying the delta method in metric analytics: a
practical guide with novel ideas", 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import Fault, InvalidInput

Floats = NDArray[np.float64]


def linearised(values: Floats, over: Floats, weights: Floats, field: str = "over") -> Floats:
    """Numbers whose weighted mean is the ratio of the weighted sums, and whose spread is that of the ratio.

    Args:
        values, over: numerator and denominator of each unit, shape (n,).
        weights: of each unit, shape (n,), any scale.
        field: how a message names the denominators.

    Raises:
        InvalidInput: the weighted denominators come to 0.

    >>> linearised(np.array([2.0, 4.0]), np.array([1.0, 1.0]), np.ones(2))
    array([2., 4.])
    """
    share = weights / weights.sum()
    below = float(share @ over)
    if not below > 0:
        fix = "wait for units with a denominator"
        raise InvalidInput("a ratio divides by nothing", Fault(field, str(below), fix))
    ratio = float(share @ values) / below
    return np.asarray(ratio + (values - ratio * over) / below)
