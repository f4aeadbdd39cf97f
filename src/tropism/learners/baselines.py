"""Reference learners: what a prediction is worth that knows only the labels so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, SettingInvalid
from tropism.learners.base import Learner, Shape
from tropism.learners.constant import LONGEST_PERIOD, MOST_BINS, MOST_LAG, Constant, Fixed, LastKnown, Moving, Profile
from tropism.learners.validation import whole

if TYPE_CHECKING:
    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator


class Majority(Learner):
    """Each class's share of the training rows, with one more row of each class counted (Laplace).

    Its most probable class is the majority class, and no constant has a lower expected log loss.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass"})

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:  # noqa: ARG002 - counting needs no chance
        shape = Shape.of(task, data.matrix.shape[1])
        classes = max(shape.outputs, 2)
        counts = np.bincount(data.labels.astype(np.int64), data.weights, classes) + 1.0
        shares = (counts / counts.sum()).tolist()
        return Constant(Fixed(tuple(shares if task.kind == "multiclass" else shares[1:])), shape)


class Mean(Learner):
    """The weighted mean of the training labels."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"regression"})

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:  # noqa: ARG002 - counting needs no chance
        mean = float(np.average(data.labels, weights=data.weights))
        return Constant(Fixed((mean,)), Shape.of(task, data.matrix.shape[1]))


class LastLabel(Learner):
    """The last known label. For classes its probability is how often a label equalled the one `lag` rows before.

    Weights do not count. Set `lag` to the number of rows after which a label is known, so that the probability is
    honest when served.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(self, *, lag: int = 1) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        self.lag = whole("lag", lag, 1, MOST_LAG)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:  # noqa: ARG002 - counting needs no chance
        shape = Shape.of(task, data.matrix.shape[1])
        order = np.argsort(data.at, kind="stable")
        labels, lag = data.labels[order], min(self.lag, len(order))
        repeats = float(np.count_nonzero(labels[lag:] == labels[:-lag]))
        newest = tuple(labels[-lag:].tolist())
        return Moving(LastKnown(newest, int(data.at[order[-1]]), repeats, float(len(labels) - lag)), shape)


class Seasonal(Learner):
    """The mean label at the same position of a period, by default the hour of the week (UTC). Weights do not count."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(self, *, period: str = "1w", bins: int = 168) -> None:
        """Raises `SettingInvalid` for a value out of range, `InvalidInput` for a period that is no duration."""
        if not 0 < parse_duration(period, "period") <= LONGEST_PERIOD:
            raise SettingInvalid("the period is not valid", Fault("period", period, "use more than 0 and up to 400d"))
        self.period = period
        self.bins = whole("bins", bins, 1, MOST_BINS)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:  # noqa: ARG002 - counting needs no chance
        shape = Shape.of(task, data.matrix.shape[1])
        nothing = tuple((0.0,) * shape.outputs for _ in range(self.bins))
        first = int(data.at.min())
        empty = Profile(parse_duration(self.period, "period"), nothing, (0.0,) * self.bins, first)
        estimator = Moving(empty, shape)
        estimator.update(data.labels, data.at)
        return estimator
