"""Columns that have types of their own, as Parquet and Arrow columns do, read as a feature's type.

As in single rows, nothing is guessed: whole numbers are read as floats, but numbers are no categories and no
booleans, nor text a number. NaN, which JSON cannot say, is a missing value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.serving.rows import LARGEST, MOST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Read(NamedTuple):
    """A column that was read: its values, and which cells are of no use (None for none). Those are null."""

    values: pa.Array
    bad: NDArray[np.bool_] | None = None


def is_plain(kind: pa.DataType) -> bool:
    """Whether a column of this type may be read at all: flat, and of a type that some column here can have."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    scalar = pa.types.is_null(kind) or pa.types.is_boolean(kind) or is_number(kind) or is_text(kind)
    return bool(scalar or pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def numbers(column: pa.Array) -> Read | None:
    """float64; None when the column holds something else."""
    column = _undictionary(column)
    if column.null_count == len(column):
        return Read(pa.nulls(len(column), pa.float64()))
    if not is_number(column.type):
        return None
    if pa.types.is_decimal(column.type):  # by way of text: rounded once, and rightly
        column = column.cast(pa.string())
    return usable(column.cast(pa.float64(), safe=False))


def usable(column: pa.Array) -> Read:
    """float64 with NaN as null, and numbers out of range marked."""
    filled = column.fill_null(0.0) if column.null_count else column
    values = np.asarray(np.from_dlpack(filled), np.float64)
    fits = np.abs(values) <= LARGEST
    if fits.all():
        return Read(column)
    missing = np.isnan(values)
    bad = ~fits & ~missing
    known = pa.array(fits) if not column.null_count else pc.and_(pa.array(fits), column.is_valid())
    return Read(pc.if_else(known, column, pa.scalar(None, pa.float64())), bad if bad.any() else None)


def texts(column: pa.Array, most: int = MOST_TEXT, least: int = 0) -> Read | None:
    """string; None when the column holds something else. Texts that are too long or too short are marked."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if column.null_count == len(column):
        return Read(pa.nulls(len(column), pa.string()))
    if not is_text(kind):
        return None
    if not pa.types.is_dictionary(column.type):
        return measured(column.cast(pa.string()), most, least)
    # Lengths are checked before the texts are spread: a few long ones may stand in many rows.
    dictionary = measured(column.dictionary.cast(pa.string()), most, least)
    values = dictionary.values.take(column.indices)
    if dictionary.bad is None:
        return Read(values)
    bad = pa.array(dictionary.bad).take(column.indices).fill_null(False)
    return Read(values, bad.to_numpy(zero_copy_only=False))


def measured(column: pa.Array, most: int, least: int = 0) -> Read:
    """Text with what is too long or too short as null, and marked."""
    lengths = pc.utf8_length(column)
    bad = pc.or_(pc.greater(lengths, most), pc.less(lengths, least)).fill_null(False)
    if bad.true_count == 0:
        return Read(column)
    return Read(pc.if_else(bad, pa.scalar(None, pa.string()), column), bad.to_numpy(zero_copy_only=False))


def booleans(column: pa.Array) -> Read | None:
    """bool; None when the column holds something else."""
    column = _undictionary(column)
    if column.null_count == len(column):
        return Read(pa.nulls(len(column), pa.bool_()))
    return Read(column) if pa.types.is_boolean(column.type) else None


READERS: dict[str, Callable[[pa.Array], Read | None]] = {"number": numbers, "category": texts, "boolean": booleans}


def _undictionary(column: pa.Array) -> pa.Array:
    """Without its dictionary, unless that is of texts."""
    if pa.types.is_dictionary(column.type) and not is_text(column.type.value_type):
        return column.dictionary_decode()
    return column
