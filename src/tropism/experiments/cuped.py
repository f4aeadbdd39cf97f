"""Variance reduction with what was known before: the same mean, a narrower bound.

Source: Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data" (CUPED, 2013).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Adjusted(NamedTuple):
    """`values`: shape (n,), same mean as before. `kept`: share of the variance that is left, 0 to 1."""

    values: NDArray[np.float64]
    kept: float


def adjust(values: ArrayLike, covariate: ArrayLike, center: float | None = None) -> Adjusted:
    """`values` less what the covariate explains of them.

    Args:
        values: shape (n,); pool the variants, so that both are adjusted by the same slope.
        covariate: shape (n,); known before the exposure, or the variants' difference is adjusted away with it.
        center: the covariate's mean over everybody; its mean here when left out.

    >>> adjust([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]).kept
    0.0
    """
    data, known = np.asarray(values, dtype=np.float64), np.asarray(covariate, dtype=np.float64)
    if len(data) < 3:
        return Adjusted(data, 1.0)
    deviation = known - known.mean()
    spread = float(deviation @ deviation)
    total = float(((data - data.mean()) ** 2).sum())
    if not np.isfinite(spread) or spread == 0 or total == 0:
        return Adjusted(data, 1.0)
    slope = float(deviation @ data) / spread
    adjusted = data - slope * (known - (known.mean() if center is None else center))
    left = float(((adjusted - adjusted.mean()) ** 2).sum()) / total
    return Adjusted(adjusted, 0.0 if left < 1e-12 else min(left, 1.0))
