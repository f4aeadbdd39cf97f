"""Served features against the same ones replayed offline. Equal is the promise: no mismatch at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault, InvalidInput

Mask = npt.NDArray[np.bool_]
EXAMPLES = 5


class SkewExample(msgspec.Struct, frozen=True):
    """One mismatch: the prediction, and both values as Python writes them, cut to 80 characters."""

    id: str
    served: str
    replayed: str


class FeatureSkew(msgspec.Struct, frozen=True):
    """One feature: rows in which it differs, and up to five of them."""

    name: str
    mismatches: int
    examples: tuple[SkewExample, ...] = ()


class SkewReport(msgspec.Struct, frozen=True):
    """`rows` that were compared, in each of the features."""

    rows: int
    features: tuple[FeatureSkew, ...]

    @property
    def mismatches(self) -> int:
        """Values that differ, of all features together."""
        return sum(feature.mismatches for feature in self.features)


def compare(
    served: pa.Table, replayed: pa.Table, names: Sequence[str], *, key: str = "prediction_id", tolerance: float = 0.0
) -> SkewReport:
    """Compare two tables row by row, of the same predictions in the same order.

    Nulls equal nulls, and NaN equals null; numbers equal to the last bit, so that 0.0 is not -0.0. A served column is
    cast to the replayed one's type first, if Arrow holds that to be safe.

    Args:
        key: the column of both that names the prediction.
        tolerance: the absolute difference up to which numbers that are not whole (and decimals) count as equal.

    Raises:
        DataInvalid: a column is missing or of another type, or the rows are not of the same predictions.
        InvalidInput: the tolerance is none.

    >>> served = pa.table({"prediction_id": ["p1", "p2"], "spend.count_7d": [3, 4]})
    >>> replayed = pa.table({"prediction_id": ["p1", "p2"], "spend.count_7d": [3, 5]})
    >>> report = compare(served, replayed, ["spend.count_7d"])
    >>> report.mismatches == 0, report.features[0].examples[0]
    (False, SkewExample(id='p2', served='4', replayed='5'))
    """
    if not tolerance >= 0:
        raise InvalidInput("the tolerance is none", Fault("tolerance", repr(tolerance)[:80], "use 0 or more"))
    ids = _same_rows(served, replayed, key)
    features = []
    for name in names:
        old, new = _pair(served, replayed, name)
        places = np.flatnonzero(_different(old, new, tolerance))
        examples = (
            SkewExample(str(ids[place].as_py()), _shown(old[place]), _shown(new[place]))
            for place in places[:EXAMPLES].tolist()
        )
        features.append(FeatureSkew(name, len(places), tuple(examples)))
    return SkewReport(served.num_rows, tuple(features))


def _same_rows(served: pa.Table, replayed: pa.Table, key: str) -> pa.ChunkedArray:
    ids, others = _pair(served, replayed, key)
    if len(ids) != len(others):
        fault = Fault(key, f"{len(ids)} rows served, {len(others)} replayed", "replay each prediction once")
        raise DataInvalid("not the same predictions were served and replayed", fault)
    apart = np.flatnonzero(_different(ids, others, 0.0))
    if len(apart):
        place = int(apart[0])
        value = f"{_shown(ids[place])} and {_shown(others[place])} in row {place}"
        raise DataInvalid("the predictions are not in the same order", Fault(key, value, "replay them as served"))
    return ids


def _pair(served: pa.Table, replayed: pa.Table, name: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    for table, which in ((served, "served"), (replayed, "replayed")):
        if table.column_names.count(name) != 1:
            there = "twice" if name in table.column_names else "missing"
            fix = f"have it once among those {which}: {', '.join(table.column_names)[:160]}"
            raise DataInvalid("there is no one such column", Fault(name, there, fix))
    old, new = served[name], replayed[name]
    if pa.types.is_dictionary(new.type):
        new = new.cast(new.type.value_type)
    if pa.types.is_nested(new.type) and not pa.types.is_fixed_size_list(new.type):
        fault = Fault(name, str(new.type)[:80], "compare single values, or vectors of one size")
        raise DataInvalid("such values do not compare", fault)
    if pa.types.is_null(new.type):
        return old, new.cast(old.type)
    try:
        return old.cast(new.type), new
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fault = Fault(name, f"{old.type} served, {new.type} replayed"[:80], "give both one type")
        raise DataInvalid("served and replayed values are of different types", fault) from error


def _different(old: pa.ChunkedArray, new: pa.ChunkedArray, tolerance: float) -> Mask:
    old_known, new_known = _known(old), _known(new)
    different: Mask = old_known != new_known
    both = old_known & new_known
    if both.any():
        pair = [one.filter(pa.array(both)) for one in (old, new)]
        different[both] = _unequal(pair[0], pair[1], tolerance)
    return different


def _known(column: pa.ChunkedArray) -> Mask:
    nulls = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
    return ~np.asarray(nulls.to_numpy(), np.bool_)


def _unequal(old: pa.ChunkedArray, new: pa.ChunkedArray, tolerance: float) -> Mask:
    """Of values of one type, none of them null."""
    kind: Any = old.type
    if pa.types.is_fixed_size_list(kind):
        parts = [pc.list_flatten(one) for one in (old, new)]
        elements = _different(parts[0], parts[1], tolerance).reshape(-1, kind.list_size)
        return np.asarray(elements.any(axis=1), np.bool_)
    if pa.types.is_floating(kind) or (tolerance and pa.types.is_decimal(kind)):
        left, right = (np.asarray(one.cast(pa.float64()).to_numpy(), np.float64) for one in (old, new))
        with np.errstate(invalid="ignore"):
            near = np.asarray(np.abs(left - right) <= (tolerance or -1.0))
        apart = left.view(np.int64) != right.view(np.int64)
        return np.asarray(apart & ~near, np.bool_)
    return np.asarray(pc.not_equal(old, new).to_numpy(), np.bool_)


def _shown(scalar: pa.Scalar) -> str:
    try:
        text = repr(scalar.as_py())
    except (ValueError, OverflowError):  # a moment beyond Python's
        text = str(scalar)
    return text if len(text) <= 80 else f"{text[:77]}..."
