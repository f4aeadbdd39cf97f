"""A sample of paired differences: what it says about their mean, and how far that can be relied on."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.experiments.confidence import radius, tuning
from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]


class Differences(NamedTuple):
    """Moments of a sample of differences.

    `events`: how many of them carry the sum of squares, (sum D^2)^2 / sum D^4. For differences of -1, 0 and 1 that
    is the number which are not 0; where a few large ones make up most of the total it is few, however many rows.
    """

    n: int
    mean: float
    deviation: float
    skewness: float
    inflation: float
    events: float

    @classmethod
    def of(cls, difference: Floats, days: NDArray[np.generic] | None = None) -> Differences:
        """From differences in time order, shape (n,), and the day of each."""
        n = len(difference)
        scale = float(np.abs(difference).max()) if n else 0.0
        if scale == 0.0:
            return cls(n, 0.0, 0.0, 0.0, 1.0, 0.0)
        # Dividing by the largest keeps the fourth powers of very large or small differences representable.
        unit = difference / scale
        squares = unit * unit
        mean = float(unit.mean())
        centred = unit - mean
        variance = float(centred @ centred) / max(n - 1, 1)
        third = float((centred * centred) @ centred) / n
        skewness = third / variance**1.5 if variance > 1e-24 else 0.0
        # The small addition keeps ten whole disagreements from being rounded down to nine.
        events = float(squares.sum()) ** 2 / float(squares @ squares) + 1e-9
        return cls(n, mean * scale, sqrt(variance) * scale, skewness, inflation(difference, days), events)

    def bounds(self, alpha: float, plan: int) -> tuple[float, float]:
        """Lower and upper bound of the mean, each wrong with probability `alpha` over all sample sizes.

        The asymptotic one-sided sequence, with the variance inflated for dependence, and moved outward by the first
        Edgeworth term (Johnson, 1978; Hall, 1992) on the side where skewness makes a sample's mean and deviation
        conspire: few large losses not seen yet lower both.
        """
        reach = float(radius(self.n, alpha, tuning(plan, alpha, one_sided=True), one_sided=True))
        reach *= sqrt(self.inflation)
        skew = (2 * reach * reach * self.n + 1) / (6 * self.n)
        below = reach + max(0.0, -self.skewness) * skew
        above = reach + max(0.0, self.skewness) * skew
        return self.mean - below * self.deviation, self.mean + above * self.deviation
