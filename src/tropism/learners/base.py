"""The contract of a learner: parameters go in, an estimator that can be stored as plain data comes out."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

from tropism.learners.data import Dataset, Encoded, Floats, Parameter, Shape, Style, Times
from tropism.learners.validation import check_training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.task import Kind, Task

__all__ = [
    "Dataset",
    "Encoded",
    "Estimator",
    "Explainable",
    "Floats",
    "Learner",
    "Parameter",
    "RowScorer",
    "Shape",
    "Style",
    "Times",
    "Updatable",
]


class Estimator(ABC):
    """A fitted core on encoded matrices.

    Callers may rely on: `predict` is safe from any thread, does not change its input, and gives a row the same
    scores to the last bit whether it comes alone or among others, unless `exact_batches` is False.
    `load(export())` predicts identically.
    """

    format: ClassVar[str]
    tolerance: ClassVar[float] = 1e-12
    """How far scores may be from the training framework's own when a stored model is verified, see `sample`."""
    exact_batches: bool = True
    """False where a row among others may differ in the last bits from the row alone; by how much, the class says."""
    framework: Callable[[Floats], Floats] | None = None
    """The scores (n, outputs) of a matrix by the framework that trained it; set by the learner, never stored."""

    @abstractmethod
    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:
        """Scores (n, outputs): probability of the positive class, one a class, or the number itself.

        `at` (n,): moments of prediction, for estimators that look at the clock; None means the newest they know.
        """

    @abstractmethod
    def export(self) -> dict[str, bytes]:
        """The files that hold it."""

    @classmethod
    @abstractmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        """The estimator in `files`, audited before anything is constructed. Raises `ArtifactRefused`."""

    def importance(self) -> Floats | None:
        """Weight of each column (width,), not negative; None when it does not look at features."""
        return None


@runtime_checkable
class RowScorer(Protocol):
    """An estimator with a short way for one row of its columns; same bits as `predict`, and no look at the clock."""

    def score(self, values: Sequence[float]) -> Floats:
        """Scores (1, outputs) of one row of `width` numbers."""
        ...


@runtime_checkable
class Updatable(Protocol):
    """An estimator that learns from labels as they become known."""

    def update(self, labels: Floats, at: Times) -> None:
        """Takes in labels (n,) of predictions made `at` (n,), in any order. Visible to other threads at once."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """An estimator that can tell what each column did to a row's raw score.

    Raw scores are those before the link: the log-odds of a binary task, log probabilities up to a constant that all
    classes share, the number itself. Contributions sum to them (to rounding), and come from any thread.
    """

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:
        """Contributions (n, outputs, width + 1): of each column, and last of all the baseline.

        Raises:
            InvalidInput: scores come about in a way that cannot be split into contributions.
        """
        ...


class Learner(ABC):
    """Fits an estimator. The constructor takes parameters by keyword and keeps each under its own name.

    Callers may rely on: the same data, parameters and seed give the same exported bytes on one machine; missing
    values and categories never seen do not fail; the data is not changed.
    """

    kinds: ClassVar[frozenset[Kind]]
    style: ClassVar[Style] = "codes"

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The constructor's keywords with their values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def fit(self, data: Encoded, task: Task, seed: int = 0) -> Estimator:
        """An estimator fitted on `data`.

        Raises:
            SettingInvalid: the learner does not fit tasks of this kind.
            DataInvalid: nothing to learn from: no rows, one class only, labels that are no numbers.
            TrainingFailed: the numbers got out of hand.
        """
        check_training(data, task, self.kinds)
        return self._fit(data, task, seed)

    @abstractmethod
    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator: ...
