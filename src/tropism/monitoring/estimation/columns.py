"""Any table as the matrix that a loss model sees: its readable columns, and the prediction last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tropism.core.task import Dtype, Feature, Task
from tropism.learners.encoding import Encoding, EncodingFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
PREDICTION = "prediction"


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the reference's columns were encoded. `low` and `high` (width,): their range, of numbers and predictions."""

    names: tuple[str, ...]
    types: tuple[Dtype, ...]
    facts: EncodingFacts
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(cls, features: pa.Table, scores: Floats) -> Self:
        """Learns them from a reference; columns of other types than numbers, truth values and texts are left out."""
        known = {name: kind for name in dict.fromkeys(features.column_names) if (kind := _type(features, name))}
        names, types = tuple(known), tuple(known.values())
        table = _table(features, names, types)
        facts = Encoding.fit(_features(types), table, "codes").facts
        matrix = np.column_stack([Encoding(facts).matrix(table), scores])
        finite = np.where(np.isnan(matrix), np.inf, matrix), np.where(np.isnan(matrix), -np.inf, matrix)
        low, high = finite[0].min(axis=0), finite[1].max(axis=0)
        return cls(names=names, types=types, facts=facts, low=tuple(low.tolist()), high=tuple(high.tolist()))

    def matrix(self, features: pa.Table, scores: Floats) -> Floats:
        """The matrix (n, width) of a window; a column that is gone, or of another type than it was, is missing."""
        encoded = Encoding(self.facts).matrix(_table(features, self.names, self.types))
        return np.column_stack([encoded, scores])

    def changed(self, features: pa.Table) -> list[str]:
        """Columns of the reference that a window lacks, or has as another type."""
        pairs = zip(self.names, self.types, strict=True)
        return [name for name, kind in pairs if _type(features, name) != kind]

    def outside(self, matrix: Floats) -> float:
        """Share of rows with a category or a number that the reference never had."""
        if not len(matrix):
            return 0.0
        category = np.array([*(kind == "category" for kind in self.types), False])
        with np.errstate(invalid="ignore"):  # a missing value is neither below nor above
            beyond = (matrix < np.array(self.low)) | (matrix > np.array(self.high))
        return float(np.mean(np.any(np.where(category, matrix == -1.0, beyond), axis=1)))

    @property
    def task(self) -> Task:
        """What the loss model learns, as learners are told of it. Squared error, since a mean is wanted."""
        features = (*_features(self.types), Feature(PREDICTION))
        return Task(name="loss", kind="regression", target="loss", features=features, metric="mse")


def _features(types: Sequence[Dtype]) -> tuple[Feature, ...]:
    return tuple(Feature(_name(index), kind) for index, kind in enumerate(types))


def _name(index: int) -> str:
    return f"column_{index}"


def _table(features: pa.Table, names: Sequence[str], types: Sequence[Dtype]) -> pa.Table:
    """The columns that are as they were, under names that suit a task."""
    kept = {
        _name(index): features.column(features.column_names.index(name))
        for index, (name, kind) in enumerate(zip(names, types, strict=True))
        if _type(features, name) == kind
    }
    # Where no column is left, this one still tells how many rows there are; the encoding never reads it.
    return pa.table({**kept, PREDICTION: pa.nulls(features.num_rows)})


def _type(features: pa.Table, name: str) -> Dtype | None:
    if name not in features.column_names:
        return None
    found = features.schema.field(features.column_names.index(name)).type
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_boolean(found):
        return "boolean"
    if pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found):
        return "number"
    return "category" if pa.types.is_string(found) or pa.types.is_large_string(found) else None
