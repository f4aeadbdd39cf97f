"""Text as a vector, by an encoder that a package registers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput
from tropism.core.plugins import load
from tropism.features.names import name_faults
from tropism.features.transformations.base import OneColumn, TrainingRows, named
from tropism.features.transformations.values import categories, category
from tropism.features.types import MOST_DIMENSIONS

if TYPE_CHECKING:
    import numpy.typing as npt

    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row

GROUP = "tropism.encoders"


class Encoder(Protocol):
    """What the entry points of the group `tropism.encoders` make when they are called without arguments.

    It takes one text at a time: vectors from batches differ in their last bits with the size of the batch.
    """

    def encode(self, text: str) -> npt.ArrayLike:
        """The text's vector, always the same for the same text."""


class Embedding(OneColumn, frozen=True, tag="embedding"):
    """The vector of a text, of `size` numbers in single precision. `encoder`: a name in the entry points of the group
    `tropism.encoders`; it is looked for when the transformation is fitted, and where it is first applied. Equal texts
    of a table are encoded once. `name`: `embedding_` and the column."""

    encoder: str
    size: int
    name: str = ""

    def _faults(self) -> list[Fault]:
        faults = [*name_faults("encoder", self.encoder, column=True), *named(self, f"embedding_{self.column}")]
        if not 1 <= self.size <= MOST_DIMENSIONS:
            faults.append(Fault("size", str(self.size), f"use 1 to {MOST_DIMENSIONS}"))
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("text",)

    @property
    def outputs(self) -> dict[str, str]:
        return {self.name: f"vector({self.size})"}

    @property
    def declared(self) -> Embedding:
        return self

    def fit(self, rows: TrainingRows) -> Embedding:
        """Nothing is learned.

        Raises:
            DataInvalid: the column is missing, or no text.
            SettingInvalid: no package registers such an encoder.
            MissingExtra: the encoder needs a package that is not installed.
        """
        categories(rows.table, self.column)
        _encoder(self.encoder)
        return self

    def apply(self, table: pa.Table) -> Columns:
        """Raises as `fit`, and `InvalidInput` when the encoder fails or gives no `size` finite numbers."""
        encoded = categories(table, self.column).dictionary_encode()
        vectors = np.zeros((len(encoded.dictionary) + 1, self.size), np.float32)
        for place, text in enumerate(encoded.dictionary.to_pylist()):
            vectors[place] = self._vector(text)
        missing = encoded.indices.is_null()
        chosen = vectors[encoded.indices.fill_null(len(vectors) - 1).to_numpy(zero_copy_only=False)]
        flat = pa.array(chosen.reshape(-1), pa.float32())
        return {self.name: pa.FixedSizeListArray.from_arrays(flat, self.size, mask=missing)}

    def apply_row(self, row: Row) -> Values:
        text = category(row, self.column)
        return {self.name: None if text is None else self._vector(text).tolist()}

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        encoder = _encoder(self.encoder)
        try:
            with np.errstate(over="ignore"):
                vector = np.asarray(encoder.encode(text), np.float32)
        except Exception as error:
            fault = Fault(self.column, repr(text)[:80], f"mend the encoder: {type(error).__name__}: {error}"[:200])
            raise InvalidInput(f"the encoder '{self.encoder}' failed", fault) from error
        if vector.shape != (self.size,) or not np.isfinite(vector).all():
            fault = Fault("size", str(self.size), f"the encoder gave {vector.shape}; declare that size, finite numbers")
            raise InvalidInput(f"the encoder '{self.encoder}' gave another vector than declared", fault)
        return vector


@cache
def _encoder(name: str) -> Encoder:
    encoder: Encoder = load(GROUP, name)()
    return encoder
