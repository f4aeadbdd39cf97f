"""Chooses a column's bins from the reference, once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.monitoring.counts import columns
from tropism.monitoring.counts.binning import MOST_EDGES, MOST_NAMES, TRUTH, Array, Binning
from tropism.monitoring.counts.cells import Singles, key, value_at

BYTES_OF_NAMES = 360
_SAMPLE = 131_072
_ROWS_PER_BIN = 10
_ROWS_PER_VALUE = 5
_BODY = 52
_TAILS = np.array([0.0005, 0.002, 0.007])


def freeze(column: pa.ChunkedArray, kind: Literal["number", "category", "boolean"]) -> Binning:
    """Bins for a column, from its values in the reference.

    Numbers: 52 bins of equal mass with finer ones in both tails, fewer where they would hold under ten rows each. A
    value that makes up two such bins or more has its own; so has every value when they are few and repeated. Edges lie
    at the roundest float32 that is near the quantile. Above 131,072 rows quantiles are those of a sample (fixed seed);
    the range always is that of all rows.

    Categories: the 61 commonest, ties by name, as long as the names take 360 bytes together; when there are more, one
    seen once has no bin of its own. Booleans: "false" and "true", seen or not.

    Raises DataInvalid for a column that cannot be read as numbers, or as categories.

    >>> freeze(pa.chunked_array([[1, 2, 2, 3, 3, 3] * 5]), "number").edges
    (1.0, 2.0, 3.0, 3.000000238418579)
    >>> freeze(pa.chunked_array([["red", "teal", "teal"]]), "category").names
    ('teal', 'red')
    """
    if kind == "number":
        return Binning(kind="number", edges=_edges(_finite(column)))
    return Binning(kind="category", names=TRUTH if kind == "boolean" else _names(column))


def _finite(column: pa.ChunkedArray) -> Singles:
    with np.errstate(over="ignore", invalid="ignore"):
        found = [columns.numbers(chunk).astype(np.float32) for chunk in columns.chunks(column)]
    values = np.concatenate(found) if found else np.zeros(0, np.float32)
    return values[np.isfinite(values)] + np.float32(0)


def _edges(values: Singles) -> tuple[float, ...]:
    if not len(values):
        return ()
    lowest, highest = values.min(), values.max()
    if len(values) > _SAMPLE:
        drawn = np.random.default_rng(0).integers(0, len(values), _SAMPLE)
        values = np.concatenate([values[drawn], [lowest, highest]])
    distinct, counts = np.unique(values, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    cuts, slack = _cuts(counts, below)
    first = np.searchsorted(below, below[cuts] - slack, side="left").clip(1)
    last = (np.searchsorted(below, below[cuts] + slack, side="right") - 1).clip(max=len(distinct) - 1)
    inner = [_roundest(distinct, int(a), int(b)) for a, b in zip(first, last, strict=True)]
    ends = {float(lowest), float(value_at(key(highest) + 1))}
    return tuple(sorted({*inner, *ends}))


def _cuts(counts: Array, below: Array) -> tuple[Array, NDArray[np.float64]]:
    """Before which distinct values to cut, and by how many rows each cut may be moved to a rounder number."""
    rows, values = int(below[-1]), len(counts)
    if values < MOST_EDGES and rows >= _ROWS_PER_VALUE * values:
        return np.arange(1, values), np.zeros(values - 1)
    bins = int(np.clip(rows // _ROWS_PER_BIN, 1, _BODY))
    tails = _TAILS[_TAILS * rows >= _ROWS_PER_BIN]
    ranks = np.concatenate([np.arange(1, bins) / bins, tails, 1 - tails]) * rows
    holder = np.searchsorted(below, ranks, side="right") - 1
    nearer = holder + (below[holder + 1] - ranks < ranks - below[holder])
    heavy = counts >= 2 * rows / bins
    own = np.flatnonzero(heavy)
    cuts = np.unique(np.concatenate([nearer, own, own + 1]))
    cuts = _thinned(cuts[(cuts > 0) & (cuts < values)], below)
    masses = np.diff(below[np.concatenate([[0], cuts, [values]])])
    slack = np.minimum(masses[:-1], masses[1:]) / 4
    slack[heavy[cuts - 1] | heavy[cuts]] = 0
    return cuts, slack


def _thinned(cuts: Array, below: Array) -> Array:
    """Without those that part the lightest neighbours, until there are few enough."""
    while len(cuts) > MOST_EDGES - 2:
        at = below[np.concatenate([[0], cuts, [len(below) - 1]])]
        cuts = np.delete(cuts, int(np.argmin(at[2:] - at[:-2])))
    return cuts


def _roundest(distinct: Singles, first: int, last: int) -> float:
    """The number with the most zeros at the end of its bits, above `distinct[first - 1]`, to `distinct[last]`."""
    before, lowest, highest = distinct[first - 1], distinct[first], distinct[last]
    if first == last:  # between two values: in the upper three quarters of the gap, not just above the lower one
        lowest = np.float32(float(before) + (float(highest) - float(before)) / 4)
    low, high = max(key(lowest), key(before) + 1), key(highest)
    if low <= 0 <= high:
        return 0.0
    differs = ((low - 1) ^ high).bit_length() - 1
    return float(value_at(high >> differs << differs))


def _names(column: pa.ChunkedArray) -> tuple[str, ...]:
    written = pa.chunked_array([columns.text(chunk) for chunk in _decoded(column)], pa.string())
    found = pc.value_counts(written.drop_null())
    values, counts = found.field("values"), found.field("counts").to_numpy()
    table = pa.table({"name": values, "rows": counts})
    if len(counts) > MOST_NAMES:
        least = max(2, int(np.partition(counts, -MOST_NAMES)[-MOST_NAMES]))
        table = table.filter(pa.array(counts >= least))
    ranked = table.sort_by([("rows", "descending"), ("name", "ascending")])["name"][:MOST_NAMES].to_pylist()
    return _fitting(ranked)


def _decoded(column: pa.ChunkedArray) -> list[pa.Array]:
    found = columns.chunks(column)
    return [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in found]


def _fitting(ranked: list[str]) -> tuple[str, ...]:
    left, names = BYTES_OF_NAMES, []
    for name in ranked:
        if (size := len(name.encode())) <= left:
            names.append(name)
            left -= size
    return tuple(names)
