"""The columns of two tables that can be compared together, whatever state they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.core.task import Feature
from tropism.learners.encoding import Encoding
from tropism.monitoring.multivariate.report import LeftOut

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]


class Comparable(NamedTuple):
    """`tables`: reference and current, a column a feature under its name. `codes`: the same as numbers (n, width).

    Numbers stay as they are, categories become codes; missing and infinite values become NaN.
    """

    features: tuple[Feature, ...]
    tables: tuple[pa.Table, pa.Table]
    codes: tuple[Floats, Floats]
    left_out: tuple[LeftOut, ...]


def comparable(
    reference: pa.Table, current: pa.Table, features: Sequence[Feature], prefix: str, most: int
) -> Comparable:
    """At most `most` rows a side, evenly spaced, of the columns that hold something to compare.

    The dictionary of a category's codes is made of both sides together: made of the reference alone, it would know
    the reference's rare values and not those of current, and every column of identifiers would seem to drift.
    """
    sides = _thinned(reference, most), _thinned(current, most)
    kept: list[tuple[Feature, pa.ChunkedArray, pa.ChunkedArray, Floats]] = []
    left_out = []
    for feature in features:
        try:
            old, new = (_read(side, prefix + feature.name, feature) for side in sides)
            codes = _codes(feature, old, new)
        except DataInvalid as error:
            left_out.append(LeftOut(name=feature.name, problem=error.message))
            continue
        kept.append((feature, old, new, codes))
    rows = sides[0].num_rows
    matrix = np.stack([codes for *_, codes in kept], axis=1) if kept else np.empty((rows + sides[1].num_rows, 0))
    return Comparable(
        tuple(feature for feature, *_ in kept),
        (
            pa.table({feature.name: old for feature, old, _, _ in kept}),
            pa.table({feature.name: new for feature, _, new, _ in kept}),
        ),
        (matrix[:rows], matrix[rows:]),
        tuple(left_out),
    )


def _thinned(table: pa.Table, most: int) -> pa.Table:
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))


def _read(table: pa.Table, name: str, feature: Feature) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataInvalid("no such column", Fault(name, "no column", f"use some of: {', '.join(table.column_names)}"))
    wanted = pa.string() if feature.type == "category" else pa.float64()
    try:
        return pc.cast(table[name], wanted, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fault = Fault(name, str(table[name].type), "store what the feature's type says, or change the type")
        raise DataInvalid(f"not of type {feature.type}", fault) from error


def _codes(feature: Feature, old: pa.ChunkedArray, new: pa.ChunkedArray) -> Floats:
    together = pa.table({feature.name: pa.chunked_array([*old.chunks, *new.chunks], type=old.type)})
    codes = Encoding.fit([feature], together, "codes").matrix(together)[:, 0]
    known = codes[~np.isnan(codes)]
    if len(codes) and not len(known):
        raise DataInvalid("no values on either side", Fault(feature.name, "missing", "send it, or drop the feature"))
    if len(known) == len(codes) and len(codes) and known.min() == known.max():
        raise DataInvalid("the same value throughout", Fault(feature.name, "constant", "drop the feature"))
    return codes
