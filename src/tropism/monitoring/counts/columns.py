"""A column of any type as the values that are counted."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault

_SMALL_CHUNK = 8192


def numbers(chunk: pa.Array, name: str = "column") -> NDArray[Any]:
    """Numbers of any real dtype, without a copy where Arrow allows; NaN where missing. Raises DataInvalid."""
    kind = chunk.type
    if not (pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not chunk.null_count)):
        chunk = _as_doubles(chunk, name)
    if chunk.null_count:
        chunk = chunk.fill_null(pa.scalar(float("nan"), chunk.type))
    found: NDArray[Any] = chunk.to_numpy(zero_copy_only=False)
    return found


def text(chunk: pa.Array, name: str = "column") -> pa.Array:
    """Values written out, null where missing. Raises DataInvalid."""
    if pa.types.is_string(chunk.type):
        return chunk
    if pa.types.is_floating(chunk.type):
        chunk = pc.if_else(pc.is_nan(chunk), pa.scalar(None, chunk.type), chunk)
    try:
        return pc.cast(chunk, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unfit(name, chunk, "categories") from error


def chunks(column: pa.ChunkedArray) -> list[pa.Array]:
    """The column's chunks; many small ones become one, for each costs some steps of its own."""
    if column.num_chunks > 1 and len(column) < _SMALL_CHUNK * column.num_chunks:
        column = column.combine_chunks()
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def _as_doubles(chunk: pa.Array, name: str) -> pa.Array:
    if pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_decode()
    if pa.types.is_boolean(chunk.type):
        chunk = chunk.cast(pa.uint8())
    try:
        return pc.cast(chunk, pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unfit(name, chunk, "numbers") from error


def _unfit(name: str, chunk: pa.Array, wanted: str) -> DataInvalid:
    return DataInvalid(f"'{name}' does not hold {wanted}", Fault(name, str(chunk.type), f"give {wanted}"))
