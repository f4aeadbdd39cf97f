"""The members of an ensemble: estimators that read the same codes, each in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.learners.base import Explainable, RowScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Estimator, Floats, Times
    from tropism.learners.ensemble_spreading import Spreading

MOST_MEMBERS = 16


class Member:
    """An estimator, and how it reads codes (n, features); without `spreading` it takes them as they are."""

    def __init__(self, learner: str, estimator: Estimator, spreading: Spreading | None) -> None:
        """`learner`: its name as the ensemble's `members` has it."""
        self.learner, self.estimator, self.spreading = learner, estimator, spreading
        self._score = estimator.score if isinstance(estimator, RowScorer) else None

    @property
    def quick(self) -> bool:
        """Whether it has a short way for one row."""
        return self._score is not None

    def predict(self, codes: Floats, at: Times | None) -> Floats:
        """Scores (n, outputs) of codes (n, features)."""
        return self.estimator.predict(self._columns(codes), at)

    def score(self, values: Sequence[float]) -> Floats:
        """Scores (1, outputs) of one row of codes, by the short way of a member that is `quick`."""
        assert self._score is not None
        return self._score(values if self.spreading is None else self.spreading.row(values))

    def importance(self, features: int) -> Floats:
        """Each feature's share (features,), summing to 1, or to 0 where the member looks at none."""
        weights = self.estimator.importance()
        total = 0.0 if weights is None else float(weights.sum())
        if weights is None or total <= 0:
            return np.zeros(features)
        owners = np.arange(features) if self.spreading is None else self.spreading.owners
        shares: Floats = np.bincount(owners, weights / total, features).astype(np.float64)
        return shares

    def contributions(self, codes: Floats, at: Times | None) -> Floats:
        """Contributions (n, outputs, features + 1), baseline last. Raises `InvalidInput` where there are none."""
        if not isinstance(self.estimator, Explainable):
            raise not_explainable(self.learner, "this format has no contributions")
        found = self.estimator.contributions(self._columns(codes), at)
        return found if self.spreading is None else by_owner(found, self.spreading.owners.tolist(), codes.shape[1])

    def _columns(self, codes: Floats) -> Floats:
        return codes if self.spreading is None else self.spreading.matrix(codes)


class AsTrained(Member):
    """A member that scores by its training framework, where it has one at hand."""

    def predict(self, codes: Floats, at: Times | None) -> Floats:
        framework = self.estimator.framework
        return super().predict(codes, at) if framework is None else framework(self._columns(codes))


def by_owner(contributions: Floats, owners: Sequence[int], n: int) -> Floats:
    """Contributions of columns summed to those of the `n` features that own them; the baseline stays last.

    >>> by_owner(np.array([[[1.0, 2.0, 4.0, 8.0]]]), [0, 0, 1], 2).tolist()
    [[[3.0, 4.0, 8.0]]]
    """
    out = np.zeros((*contributions.shape[:2], n + 1))
    for column, owner in enumerate([*owners, n]):
        out[:, :, owner] += contributions[:, :, column]
    return out


def not_explainable(what: str, why: str) -> InvalidInput:
    """The error for scores that cannot be split into contributions of features."""
    fix = (
        "ask without explanations, or serve a learner that has them: lightgbm, xgboost, linear, random-forest, stacking"
    )
    return InvalidInput(f"the predictions of '{what}' cannot be explained: {why}", Fault("explain", what, fix))
