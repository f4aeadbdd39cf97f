"""Counts the values of columns into bins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import columns
from tropism.monitoring.counts.binning import Array, Binning
from tropism.monitoring.counts.cells import BLOCK, Bins, Scratch, Singles, cells, inner_bins


def count(binning: Binning, column: pa.ChunkedArray) -> Array:
    """Values in each bin, shape (binning.size,); they sum to the column's rows.

    Raises DataInvalid for a column that cannot be read as numbers, or as categories.

    >>> count(Binning(kind="number", edges=(0.0, 1.0)), pa.chunked_array([[-1.0, 0.0, 0.5, 1.0, None]])).tolist()
    [1, 2, 1, 1]
    """
    return _count(binning, column, Scratch(len(column)), "column")


def count_columns(
    binnings: Mapping[str, Binning],
    table: pa.Table,
    prefix: str = "f_",
    refused: dict[str, DataInvalid] | None = None,
) -> dict[str, Array]:
    """Counts of each binned column that the table has, by the binning's name. A column is named `prefix` and that.

    Raises DataInvalid, naming the column, for one that cannot be read as its binning wants. With `refused` given, such
    columns are left out and their errors put there, so that a bad column does not take the others down.

    >>> count_columns({"age": Binning(kind="number", edges=(18.0,))}, pa.table({"f_age": [3, 30, 40]}))
    {'age': array([1, 2, 0])}
    """
    at = {name: place for place, name in enumerate(table.column_names)}
    scratch, counts = Scratch(table.num_rows), dict[str, Array]()
    for name, binning in binnings.items():
        if (place := at.get(prefix + name)) is None:
            continue
        try:
            counts[name] = _count(binning, table.column(place), scratch, name)
        except DataInvalid as error:
            if refused is None:
                raise
            refused[name] = error
    return counts


def places(binning: Binning, column: pa.ChunkedArray) -> Bins:
    """The bin of each value, shape (rows,). Raises DataInvalid as `count` does.

    >>> places(Binning(kind="category", names=("teal",)), pa.chunked_array([["red", "teal", None]])).tolist()
    [1, 0, 2]
    """
    if binning.kind == "category":
        found = [_of_categories(binning, chunk, "column") for chunk in columns.chunks(column)]
    else:
        scratch = Scratch(len(column))
        found = [_placed(binning, block, scratch) for block in _blocks(column, scratch, "column")]
    return np.concatenate(found) if found else np.zeros(0, np.uint8)


def _count(binning: Binning, column: pa.ChunkedArray, scratch: Scratch, name: str) -> Array:
    counts = np.zeros(binning.size, np.int64)
    if binning.kind == "category":
        for chunk in columns.chunks(column):
            counts += np.bincount(_of_categories(binning, chunk, name), minlength=binning.size)
    else:
        for block in _blocks(column, scratch, name):
            _add(counts, binning, block, scratch)
    return counts


def _blocks(column: pa.ChunkedArray, scratch: Scratch, name: str) -> Iterator[Singles]:
    """The column as float32, a block at a time, in memory that the next one overwrites."""
    for chunk in columns.chunks(column):
        values: NDArray[Any] = columns.numbers(chunk, name)
        for start in range(0, len(values), BLOCK):
            part = values[start : start + BLOCK]
            block = scratch.values[: len(part)]
            with np.errstate(over="ignore", invalid="ignore"):
                np.copyto(block, part, casting="same_kind")
            yield block


def _add(counts: Array, binning: Binning, block: Singles, scratch: Scratch) -> None:
    """Adds a block's counts. The ends are compared, the bins between looked up with the ends counted into them."""
    last = len(binning.edges)
    mask = scratch.mask[: len(block)]
    missing = _without_nan(block, mask)
    above = np.count_nonzero(np.greater_equal(block, binning.edges[-1], out=mask)) if last else missing
    below = np.count_nonzero(np.less(block, binning.edges[0], out=mask)) if last else len(block) - missing
    if last > 2:
        counts += np.bincount(inner_bins(cells(binning.edges), block, scratch), minlength=len(counts))
        counts[1] -= below
        counts[last - 1] -= above
    elif last == 2:
        counts[1] += len(block) - below - above
    counts[0] += below
    counts[last] += above - missing
    counts[-1] += missing


def _placed(binning: Binning, block: Singles, scratch: Scratch) -> Bins:
    last = len(binning.edges)
    missing = np.empty(len(block), np.bool_)
    _without_nan(block, missing)
    below, above = (block < binning.edges[0], block >= binning.edges[-1]) if last else (~missing, missing)
    found = inner_bins(cells(binning.edges), block, scratch).copy() if last > 2 else np.ones(len(block), np.uint8)
    found[below] = 0
    found[above] = last
    found[missing] = binning.missing
    return found


def _without_nan(block: Singles, mask: NDArray[np.bool_]) -> int:
    """Puts infinity where NaN is, marks it in the mask, and says how often; NaN compares and casts as it likes."""
    missing = int(np.count_nonzero(np.isnan(block, out=mask)))
    if missing:
        np.copyto(block, np.inf, where=mask)
    return missing


def _of_categories(binning: Binning, chunk: pa.Array, name: str) -> Bins:
    if pa.types.is_dictionary(chunk.type):
        known: Bins = np.append(_of_categories(binning, chunk.dictionary, name), np.uint8(binning.missing))
        indices = pc.cast(chunk.indices, pa.int64()).fill_null(len(known) - 1)
        taken: Bins = known[indices.to_numpy(zero_copy_only=False)]
        return taken
    text = columns.text(chunk, name)
    found = pc.index_in(text, value_set=_values(binning.names)).fill_null(len(binning.names))
    bins: Bins = found.to_numpy(zero_copy_only=False).astype(np.uint8)
    if text.null_count:
        bins[text.is_null().to_numpy(zero_copy_only=False)] = binning.missing
    return bins


@lru_cache(maxsize=1024)
def _values(names: tuple[str, ...]) -> pa.Array:
    return pa.array(names, pa.string())
