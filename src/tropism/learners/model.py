"""What is served: an encoding, a fitted estimator and a calibration, with where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.task import Kind
from tropism.learners.base import Parameter, RowScorer, Shape
from tropism.learners.calibration import Calibration, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from tropism.core.events import Value
    from tropism.learners.base import Estimator, Floats, Times
    from tropism.learners.encoding import Encoding


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
    ) -> None:
        self.signature = signature
        self.origin = origin
        self.encoding = encoding
        self.estimator = estimator
        self.calibration: Calibration = Identity() if calibration is None else calibration
        short = isinstance(estimator, RowScorer) and encoding.facts.style == "codes"
        self._score = estimator.score if short and isinstance(estimator, RowScorer) else None
        self._apply = self.calibration.apply

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
        if self._score is not None and len(rows) == 1:
            return self._apply(self._score(self.encoding.codes(rows[0])))
        return self._apply(self.estimator.predict(self.encoding.rows(rows), at))

    def uncalibrated(self, features: pa.Table, at: Times | None = None) -> Floats:
        """Scores before calibration: what a calibration is fitted on."""
        return self.estimator.predict(self.encoding.matrix(features), at)

    def with_calibration(self, calibration: Calibration) -> Model:
        """The same model with another calibration; the estimator is shared."""
        return Model(self.signature, self.origin, self.encoding, self.estimator, calibration)

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
