"""Is the changed model as good as the one it came from? Paired losses on the same rows, and what loss is allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.evaluation.intervals import Interval, Z
from tropism.evaluation.losses import losses
from tropism.experiments.dependence import inflation
from tropism.learners.validation import real

if TYPE_CHECKING:
    from tropism.core.task import Kind
    from tropism.learners.base import Floats
    from tropism.training.optimise.base import Sample

TOLERANCE = 0.002
LARGEST_TOLERANCE = 1.0


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Mean loss before and after on `rows` rows, and the difference with its 95% interval; above 0 is worse.

    `allowed`: the largest upper end of that interval that passes, in the units of the loss.
    """

    metric: str
    rows: int
    before: float
    after: float
    difference: Interval
    allowed: float

    @property
    def passes(self) -> bool:
        """Whether it is shown that the loss rose by no more than is allowed."""
        return self.difference.high <= self.allowed

    @property
    def passes_well(self) -> bool:
        """Whether half of what is allowed would do: what is tuned so is likely to pass on other rows."""
        return self.difference.high <= self.allowed / 2


class Judge(msgspec.Struct, frozen=True):
    """Compares scores by a task's metric.

    `tolerance` is a share of a scale that everybody can read. For classes the scale is 1: 0.002 lets the Brier score,
    the log loss or the error rate rise by 0.002, which is 0.2 points. For numbers the scale is the loss of the best
    constant on the same rows: 0.002 lets the share of it that the model explains (R² for `mse`) fall by 0.2 points.
    """

    kind: Kind
    metric: str
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        """Raises `SettingInvalid` for a tolerance out of range."""
        real("tolerance", self.tolerance, 0.0, LARGEST_TOLERANCE)

    def compare(self, rows: Sample, before: Floats, after: Floats) -> Quality:
        """Scores (n, outputs) of two models on the same rows, n at least 2.

        Differences that hang together, from one row to the next or within a day, widen the interval.
        """
        old, new = losses(self.metric, rows.labels, before), losses(self.metric, rows.labels, after)
        difference = new - old
        mean = float(np.mean(difference))
        error = float(np.std(difference, ddof=1)) / math.sqrt(len(difference))
        reach = Z * error * math.sqrt(inflation(difference, rows.at // DAY))
        return Quality(
            metric=self.metric,
            rows=len(difference),
            before=float(np.mean(old)),
            after=float(np.mean(new)),
            difference=Interval(mean, mean - reach, mean + reach),
            allowed=self.tolerance * self._scale(rows.labels),
        )

    def _scale(self, labels: Floats) -> float:
        if self.kind != "regression":
            return 1.0
        constant = np.median(labels) if self.metric == "mae" else np.mean(labels)
        return float(np.mean(losses(self.metric, labels, np.full((len(labels), 1), constant))))
