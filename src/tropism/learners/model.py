"""What is served: an encoding, a fitted estimator and a calibration, with where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.task import Kind
from tropism.learners.base import Parameter, RowScorer, Shape
from tropism.learners.calibration import Calibration, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from tropism.core.events import Value
    from tropism.learners.base import Estimator, Floats, Times
    from tropism.learners.encoding import Encoding
    from tropism.learners.sample import Sample, Verification


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model answers: the task, its kind and the classes that scores stand for."""

    task: str
    kind: Kind
    classes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Scores a row: one a class for multiclass tasks, else one."""
        return len(self.classes) if self.kind == "multiclass" else 1


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model was made. `libraries`: versions by package name."""

    learner: str
    parameters: dict[str, Parameter]
    seed: int
    rows: int
    libraries: dict[str, str]


class Model:
    """Scores rows. Immutable unless its estimator is `Updatable`; safe from any thread.

    A row has the same scores to the last bit alone, among others, as a mapping or in a table.
    """

    def __init__(
        self,
        signature: Signature,
        origin: Origin,
        encoding: Encoding,
        estimator: Estimator,
        calibration: Calibration | None = None,
        sample: Sample | None = None,
        verified: Verification | None = None,
    ) -> None:
        """`sample`: rows to verify it by once it was stored; `verified`: what that found when it was loaded."""
        self.signature = signature
        self.origin = origin
        self.encoding = encoding
        self.estimator = estimator
        self.calibration: Calibration = Identity() if calibration is None else calibration
        self.sample, self.verified = sample, verified
        self._apply = self.calibration.apply
        self._short = self._short_way()

    @property
    def shape(self) -> Shape:
        return Shape(self.signature.kind, self.signature.outputs, self.encoding.width)

    def predict(self, features: pa.Table, at: Times | None = None) -> Floats:
        """Scores (n, outputs) of a table with a column a feature; absent columns and nulls are missing values.

        `at` (n,): moments of prediction, µs since the epoch; only the seasonal baseline looks at them.

        Raises:
            DataInvalid: a column cannot be read as its feature's type.
        """
        return self._apply(self.estimator.predict(self.encoding.matrix(features), at))

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Times | None = None) -> Floats:
        """Scores (n, outputs) of rows as they are sent, with values of the features' types or None."""
        if self._short is not None and len(rows) == 1:
            return self._short(self.encoding.codes(rows[0]))
        return self._apply(self.estimator.predict(self.encoding.rows(rows), at))

    def predict_matrix(self, codes: Floats, at: Times | None = None) -> Floats:
        """Scores (n, outputs) of codes (n, features), a column a feature as `Encoding.codes` gives them."""
        return self._apply(self.estimator.predict(self.encoding.spread(codes), at))

    @property
    def short(self) -> Callable[[Sequence[float]], Floats] | None:
        """Gives scores (1, outputs) of one row of codes, by the estimator's short way; None when it has none.

        Same bits as `predict_matrix`. The scores are the caller's to change.
        """
        return self._short

    def _short_way(self) -> Callable[[Sequence[float]], Floats] | None:
        if self.encoding.facts.style != "codes" or not isinstance(self.estimator, RowScorer):
            return None
        score, apply = self.estimator.score, self._apply
        if isinstance(self.calibration, Identity):
            return score
        return lambda values: apply(score(values))

    def uncalibrated(self, features: pa.Table, at: Times | None = None) -> Floats:
        """Scores before calibration: what a calibration is fitted on."""
        return self.estimator.predict(self.encoding.matrix(features), at)

    def with_calibration(self, calibration: Calibration) -> Model:
        """The same model with another calibration; the estimator is shared."""
        facts = (self.signature, self.origin, self.encoding, self.estimator)
        return Model(*facts, calibration, self.sample, self.verified)

    def importance(self) -> dict[str, float]:
        """Each feature's share of what decides the scores: split gains of trees, sizes of linear weights.

        Shares sum to 1; all are 0 for a model that does not look at features.
        """
        shares = {column.name: 0.0 for column in self.encoding.facts.columns}
        weights = self.estimator.importance()
        total = 0.0 if weights is None else float(np.sum(weights))
        if weights is None or total <= 0:
            return shares
        for owner, weight in zip(self.encoding.owners, weights.tolist(), strict=True):
            shares[owner] += weight / total
        return shares
