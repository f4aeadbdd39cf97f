"""Whether one figure of a metric is worse than another, and by how much at least."""

from __future__ import annotations

from math import hypot
from typing import NamedTuple

from tropism.monitoring.figures import Figure

HIGHER_IS_BETTER = frozenset({"accuracy", "precision", "recall", "f1", "auc", "r2"})


class Worsening(NamedTuple):
    """By how much the loss of one is above that of another, with its 95% interval; None where there is none."""

    value: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Whether the whole interval is a worsening."""
        return self.low is not None and self.low > 0


def as_loss(metric: str, figure: Figure) -> Figure:
    """The figure so that lower is better: 1 less it where higher is.

    >>> as_loss("accuracy", Figure(9, 0.75, 0.5, 0.875))
    Figure(n=9, value=0.25, low=0.125, high=0.5)
    """
    if metric not in HIGHER_IS_BETTER:
        return figure
    low, high = (None if bound is None else 1 - bound for bound in (figure.high, figure.low))
    return Figure(figure.n, 1 - figure.value, low, high)


def worsening(metric: str, one: Figure, than: Figure) -> Worsening:
    """How much worse `one` is.

    The interval is made of the two intervals (MOVER: Zou and Donner, Statistics in Medicine 27, 2008), as if the
    figures were independent. For those of the same rows it is wider than need be.

    >>> worsening("mae", Figure(9, 2.0, 1.7, 2.3), Figure(9, 1.0, 0.6, 1.4))
    Worsening(value=1.0, low=0.5, high=1.5)
    """
    a, b = as_loss(metric, one), as_loss(metric, than)
    value = a.value - b.value
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Worsening(value, None, None)
    down, up = hypot(a.value - a.low, b.high - b.value), hypot(a.high - a.value, b.value - b.low)
    return Worsening(value, value - down, value + up)
