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


def adjust(
    values: ArrayLike, covariate: ArrayLike, center: float | None = None, groups: ArrayLike | None = None
) -> Adjusted:
    """`values` less what the covariate explains of them.

    The slope is estimated again at each look, from everything so far. It settles as units come, and its error moves a
    difference only by its product with that of the covariates, which is of a smaller order than the difference's own;
    so asymptotic bounds hold at every look as they do without it.

    Args:
        values: shape (n,); pool the variants, so that both are adjusted by the same slope.
        covariate: shape (n,); known before the exposure, or the variants' difference is adjusted away with it.
        center: the covariate's mean over everybody; its mean here when left out.
        groups: whole numbers from 0, shape (n,): the slope and `kept` are those within groups. For values that are
            compared within strata: what differs between these, such as heavy users who are exposed on the first day,
            then neither makes nor hides a slope.

    >>> adjust([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]).kept
    0.0
    """
    data, known = np.asarray(values, dtype=np.float64), np.asarray(covariate, dtype=np.float64)
    if len(data) < 3:
        return Adjusted(data, 1.0)
    strata = np.zeros(len(data), np.int64) if groups is None else np.asarray(groups)
    deviation, away = _within(known, strata), _within(data, strata)
    spread, total = float(deviation @ deviation), float(away @ away)
    if not np.isfinite(spread) or spread == 0 or total == 0:
        return Adjusted(data, 1.0)
    slope = float(deviation @ away) / spread
    adjusted = data - slope * (known - (known.mean() if center is None else center))
    left = float(((away - slope * deviation) ** 2).sum()) / total
    return Adjusted(adjusted, 0.0 if left < 1e-12 else min(left, 1.0))


def _within(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distances from the mean of the group."""
    means = np.bincount(groups, values) / np.maximum(np.bincount(groups), 1)
    return np.asarray(values - means[groups])
