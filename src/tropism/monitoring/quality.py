"""Counts of what is wrong with the values that were sent: missing, unseen, out of range, not finite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid
from tropism.core.task import Feature
from tropism.monitoring import columns


class FeatureQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Counts for one feature. A row is counted under at most one of the four; `share` is theirs of all rows.

    `missing`: null. `unseen`: a category that is not among the known ones. `out_of_range`: beyond the feature's
    minimum or maximum. `non_finite`: NaN or infinite. `problem`: why the column could not be read, if it could not.
    """

    name: str
    rows: int
    missing: int = 0
    unseen: int = 0
    out_of_range: int = 0
    non_finite: int = 0
    share: float = 0.0
    problem: str = ""


def quality(
    table: pa.Table,
    features: Sequence[Feature],
    categories: Mapping[str, Collection[str]] | None = None,
    *,
    prefix: str = "f_",
) -> tuple[FeatureQuality, ...]:
    """What is wrong with each feature of `table`, whose columns are named `prefix` + name.

    Args:
        categories: known categories by feature, such as those the model was trained on; where a feature is not
            named, none of its categories counts as unseen.

    A column that is absent or of another type is reported as such and harms no other.

    >>> table = pa.table({"f_a": [1.0, None, 7.0]})
    >>> found = quality(table, [Feature("a", maximum=5.0)])[0]
    >>> found.missing, found.out_of_range, round(found.share, 2)
    (1, 1, 0.67)
    """
    return tuple(_feature(table, feature, (categories or {}).get(feature.name), prefix) for feature in features)


def _feature(table: pa.Table, feature: Feature, known: Collection[str] | None, prefix: str) -> FeatureQuality:
    rows, name = table.num_rows, prefix + feature.name
    if name not in table.column_names:
        return FeatureQuality(name=feature.name, rows=rows, problem=f"there is no column '{name}'")
    missing = table[name].null_count
    unseen = out_of_range = non_finite = 0
    try:
        if feature.type == "number":
            non_finite, out_of_range = _numbers(table, name, feature, missing)
        elif feature.type == "category" and known is not None:
            seen = pc.is_in(columns.text(table, name), value_set=pa.array(sorted(known), type=pa.string()))
            unseen = rows - missing - pc.sum(pc.and_(seen, pc.is_valid(table[name])), min_count=0).as_py()
    except DataInvalid as error:
        share = missing / rows if rows else 0.0
        return FeatureQuality(name=feature.name, rows=rows, missing=missing, share=share, problem=error.message)
    return FeatureQuality(
        name=feature.name,
        rows=rows,
        missing=missing,
        unseen=unseen,
        out_of_range=out_of_range,
        non_finite=non_finite,
        share=(missing + unseen + out_of_range + non_finite) / rows if rows else 0.0,
    )


def _numbers(table: pa.Table, name: str, feature: Feature, missing: int) -> tuple[int, int]:
    """Values that are not finite, and finite ones out of range. Nulls read as NaN, so they are taken off."""
    values = columns.numbers(table, name)
    finite = values[np.isfinite(values)]
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    return len(values) - len(finite) - missing, int(((finite < low) | (finite > high)).sum())
