"""Columns of an Arrow table as arrays, whatever state they are in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault

Floats = NDArray[np.float64]


def numbers(table: pa.Table, name: str) -> Floats:
    """A column as float64, NaN where missing. Raises DataInvalid."""
    found = column(table, name)
    try:
        filled = pc.fill_null(pc.cast(found, pa.float64(), safe=False), float("nan"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unfit(name, found, "numbers") from error
    return np.asarray(filled.to_numpy(), dtype=np.float64)


def text(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column as strings, null where missing. Raises DataInvalid."""
    found = column(table, name)
    try:
        return pc.cast(found, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _unfit(name, found, "categories") from error


def first_scores(table: pa.Table, name: str = "scores") -> Floats:
    """First score of each prediction that has any. Raises DataInvalid."""
    matrix = _score_matrix(table, name)
    return matrix[:, 0] if matrix.shape[1] else np.empty(0)


def likeliest(table: pa.Table, name: str = "scores") -> NDArray[np.int64]:
    """Position of the largest score of each prediction that has any. Raises DataInvalid."""
    matrix = _score_matrix(table, name)
    if not matrix.shape[1]:
        return np.empty(0, dtype=np.int64)
    return np.asarray(np.argmax(np.where(np.isnan(matrix), -np.inf, matrix), axis=1), dtype=np.int64)


def score_width(table: pa.Table, name: str = "scores") -> int:
    """Scores that a prediction has; 0 when there are no predictions. Raises DataInvalid."""
    return int(_score_matrix(table, name).shape[1])


def _score_matrix(table: pa.Table, name: str) -> Floats:
    found = column(table, name)
    if not (pa.types.is_list(found.type) or pa.types.is_large_list(found.type)):
        raise _unfit(name, found, "lists of scores")
    lengths = pc.fill_null(pc.list_value_length(found), 0).to_numpy()
    filled = found.filter(pa.array(lengths > 0))
    widths = np.unique(lengths[lengths > 0])
    if len(widths) > 1:
        fault = Fault(name, str(widths.tolist()), "compare predictions of one task")
        raise DataInvalid("predictions differ in their number of scores", fault)
    width = int(widths[0]) if len(widths) else 0
    values = pc.fill_null(pc.cast(pc.list_flatten(filled), pa.float64()), float("nan")).to_numpy()
    return np.asarray(values, dtype=np.float64).reshape(-1, width) if width else np.zeros((0, 0))


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column as it is. Raises DataInvalid."""
    if name not in table.column_names:
        fault = Fault(name, "no column", f"use one of: {', '.join(table.column_names)}")
        raise DataInvalid(f"there is no column '{name}'", fault)
    return table[name]


def _unfit(name: str, column: pa.ChunkedArray, wanted: str) -> DataInvalid:
    return DataInvalid(f"'{name}' does not hold {wanted}", Fault(name, str(column.type), f"give {wanted}"))
