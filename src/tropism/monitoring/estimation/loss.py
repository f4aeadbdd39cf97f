"""A regression model's error from its inputs alone: direct loss estimation.

A second model learns, on the reference, how large the first one's error is where; its mean over a window is what the
error there should be. Source: NannyML, Direct Loss Estimation, 2022. Ours is the mean of `FOLDS` models, each fitted
without one block of the reference, which gives the interval too:

- Chance: a row's loss differs from its mean by as much as it did on the held-out blocks, in proportion to that mean.
- Learning: the models' estimates of a window differ; the grouped jackknife (Tukey, 1958; Kunsch, Ann. Stat. 17, 1989,
  for blocks of dependent rows) makes of it the variance of having learnt from this reference and no other.
- Dependence: the first grows by as much as held-out residuals, in the order given, are dependent in time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Self

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput
from tropism.evaluation.losses import losses
from tropism.experiments.dependence import inflation
from tropism.learners.base import Encoded, Shape
from tropism.learners.boosting import LightGBM
from tropism.learners.trees import FILE, TreeEnsemble
from tropism.monitoring.estimation.columns import Columns
from tropism.monitoring.estimation.estimate import Chunk, Estimate, by_chunks, decoded, joined, known, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tropism.monitoring.estimation.estimate import Times

Floats = npt.NDArray[np.float64]
Metric = Literal["mae", "mse"]
ASSUMPTION = (
    "Errors depend on the inputs and the prediction as they did on the reference. Concept shift breaks this, and "
    "nothing but labels shows it. Inputs may shift, but only to where the reference had rows too: trees say of what "
    "lies beyond what they say of the nearest they saw."
)
FEWEST = 100
"""Labelled rows that a reference must have."""
FOLDS = 10
MOST = 100_000
"""Rows that the models are fitted on; of a longer reference, as many at even distances."""
FAR = 0.05
"""Share of rows outside of the reference from which the estimate says so."""
_SEED = 0


class DLE(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fitted estimator; `direct_loss` makes it.

    `models`: texts of LightGBM. `scale`: what their losses were divided by. `spread`: variance of a loss over the
    square of its mean. `reason`: why it can say nothing, if so.
    """

    metric: Metric
    rows: int
    columns: Columns | None = None
    models: tuple[bytes, ...] = ()
    scale: float = 1.0
    spread: float = 0.0
    dependence: float = 1.0
    note: str = ""
    reason: str = ""

    @property
    def assumption(self) -> str:
        return ASSUMPTION

    def estimate(self, features: pa.Table, scores: Floats) -> dict[str, Estimate]:
        """Estimates of a window's mae, or of its mse and rmse, from features (n rows) and predictions (n, 1).

        Rows whose prediction is not a number are left out and counted in the note. A column that is gone or has
        another type counts as missing.

        Raises:
            InvalidInput: features and predictions do not line up.
        """
        return self._estimated(features, scores, self._loaded())

    def _estimated(self, features: pa.Table, scores: Floats, models: Sequence[TreeEnsemble]) -> dict[str, Estimate]:
        predictions = _predictions(features, scores)
        usable = np.isfinite(predictions)
        rows = int(usable.sum())
        if self.columns is None or not rows:
            why = self.reason or ("no prediction is a number" if len(usable) else "there are no rows")
            return unknown(self._names, rows, joined(why, self.note))
        matrix = self.columns.matrix(features, predictions)[usable]
        changed, outside = self.columns.changed(features), self.columns.outside(matrix)
        note = joined(
            f"columns gone or of another type: {', '.join(changed[:5])}" if changed else "",
            f"{outside:.0%} of the rows have values that the reference never had" if outside > FAR else "",
            f"{len(usable) - rows} rows without a prediction were left out" if rows < len(usable) else "",
            self.note,
        )
        return self._told(np.stack([model.predict(matrix)[:, 0] for model in models]), note)

    def series(self, at: Times, features: pa.Table, scores: Floats, chunk_edges: Sequence[int]) -> list[Chunk]:
        """Estimates of each window [chunk_edges[i], chunk_edges[i + 1]) of predictions made `at` (n,), in µs.

        Raises:
            InvalidInput: as `estimate`, or edges that do not rise, or times that do not match the scores.
        """
        if len(at) != len(scores):
            shown = f"{len(at)} times, {len(scores)} rows"
            raise InvalidInput("times and scores do not line up", Fault("at", shown, "give one a row"))
        models = self._loaded()
        return by_chunks(at, chunk_edges, lambda rows: self._estimated(features.take(rows), scores[rows], models))

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises `ArtifactRefused` when the bytes are no estimator; the models in them are audited when used."""
        return decoded(data, cls)

    def _loaded(self) -> list[TreeEnsemble]:
        width = 0 if self.columns is None else len(self.columns.low)
        return [TreeEnsemble.load({FILE: text}, Shape("regression", 1, width)) for text in self.models]

    @property
    def _names(self) -> tuple[str, ...]:
        return ("mae",) if self.metric == "mae" else ("mse", "rmse")

    def _told(self, said: Floats, note: str) -> dict[str, Estimate]:
        """Estimates from what each model says of each row (models, n)."""
        models, rows = said.shape
        each = np.maximum(said.mean(axis=0), 0.0)
        parts = said.mean(axis=1)
        chance = self.spread * float(each @ each) / rows**2 * self.dependence
        learning = (models - 1) / models * float(np.sum((parts - parts.mean()) ** 2))
        found = known(self.metric, self.scale * float(each.mean()), self.scale**2 * (chance + learning), rows, note)
        return {self.metric: found} if self.metric == "mae" else {"mse": found, "rmse": _root(found)}


def direct_loss(features: pa.Table, scores: Floats, labels: Floats, metric: Metric = "mae") -> DLE:
    """An estimator from a reference: features (n rows), the predictions (n, 1) made of them, and labels (n,).

    The rows must not be ones that the model was trained on. `labels`: NaN where there is none yet. Rows in time
    order: serial dependence widens the intervals. Where the reference does not suffice, what is made estimates None
    and says why. `metric`: "mae", or "mse", which gives rmse as well.

    Raises:
        InvalidInput: no such metric, or shapes that do not fit.

    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random(2_000)
    >>> labels = rng.normal(0, 1 + x)
    >>> estimator = direct_loss(pa.table({"x": x}), np.zeros((2_000, 1)), labels)
    >>> found = estimator.estimate(pa.table({"x": np.full(500, 0.9)}), np.zeros((500, 1)))["mae"]
    >>> found.low < 1.9 * (2 / np.pi) ** 0.5 < found.high
    True
    """
    if metric not in ("mae", "mse"):
        raise InvalidInput("there is no estimate of this metric", Fault("metric", repr(metric), "use 'mae' or 'mse'"))
    predictions, labels = _predictions(features, scores), np.asarray(labels, np.float64)
    if labels.shape != predictions.shape:
        shown = f"labels {labels.shape}, {len(predictions)} rows"
        raise InvalidInput("labels and rows do not line up", Fault("labels", shown, "give one a row, NaN for none"))
    usable = np.flatnonzero(np.isfinite(predictions) & np.isfinite(labels))
    note = f"{len(usable)} of the reference's {len(labels)} rows had a label and a prediction"
    note = "" if len(usable) == len(labels) else note
    if len(usable) < FEWEST:
        reason = f"the reference has {len(usable)} rows with a label; {FEWEST} are needed"
        return DLE(metric=metric, rows=len(usable), note=note, reason=reason)
    kept = usable[np.linspace(0, len(usable) - 1, min(len(usable), MOST)).astype(np.int64)]
    table, told = features.take(kept), predictions[kept]
    columns = Columns.fit(table, told)
    return _learnt(metric, columns, columns.matrix(table, told), losses(metric, labels[kept], told[:, None]), note)


def _learnt(metric: Metric, columns: Columns, matrix: Floats, loss: Floats, note: str) -> DLE:
    scale = float(loss.mean()) or 1.0
    target, learner, task = loss / scale, LightGBM(), columns.task
    at, held_out, models = np.zeros(len(loss), np.int64), np.empty(len(loss)), []
    for block in np.array_split(np.arange(len(loss)), FOLDS):
        rest = np.ones(len(loss), np.bool_)
        rest[block] = False
        fitted = learner.fit(Encoded(matrix[rest], target[rest], at[rest]), task, _SEED)
        held_out[block] = fitted.predict(matrix[block])[:, 0]
        models.append(fitted.export()[FILE])
    residual, size = target - held_out, float(np.sum(np.maximum(held_out, 0.0) ** 2))
    return DLE(
        metric=metric,
        rows=len(loss),
        columns=columns,
        models=tuple(models),
        scale=scale,
        spread=float(residual @ residual) / size if size > 0 else 0.0,
        dependence=inflation(residual),
        note=note,
    )


def _predictions(features: pa.Table, scores: Floats) -> Floats:
    """Predictions (n,), of (n, 1) or (n,)."""
    found = np.asarray(scores, np.float64)
    if found.shape not in ((features.num_rows,), (features.num_rows, 1)):
        shown = f"{features.num_rows} rows, scores {found.shape}"
        raise InvalidInput("features and predictions do not line up", Fault("scores", shown, "give (n, 1)"))
    return found.reshape(-1)


def _root(squared: Estimate) -> Estimate:
    value, low, high = (
        None if bound is None else math.sqrt(bound) for bound in (squared.value, squared.low, squared.high)
    )
    return Estimate(metric="rmse", value=value, low=low, high=high, rows=squared.rows, note=squared.note)
