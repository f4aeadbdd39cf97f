"""Whether the data that was sent is complete, consistent and fresh: counts of what is wrong, and a score.

The score of a feature is the share of its rows whose value is present, finite, within the feature's range and, where
the categories are known, one of them; over that share in the reference, where there is one, and at most 1. A feature
that cannot be read scores 0. The score of the whole is the mean over its features, times the share of rows whose id
is new and whose time is not in the future.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.clock import SECOND
from tropism.core.errors import DataInvalid
from tropism.core.task import Feature
from tropism.monitoring import columns

JITTER = 10 * SECOND
"""How far the clocks of two machines may be apart before times count as wrong, in µs."""
Change = Literal["", "new", "gone", "retyped"]


class FeatureQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Counts for one feature. A row is counted under at most one of the four; `share` is theirs of all rows.

    `missing`: null. `unseen`: a category that is not among the known ones. `out_of_range`: beyond the feature's
    minimum or maximum. `non_finite`: NaN or infinite. `distinct`: different values; 1 is a constant. `score`: 0 to 1,
    None without rows. `change`: since the reference; a feature that is `gone` has no counts. `problem`: why the
    column could not be read, if it could not.
    """

    name: str
    rows: int
    type: str = ""
    missing: int = 0
    unseen: int = 0
    out_of_range: int = 0
    non_finite: int = 0
    distinct: int = 0
    share: float = 0.0
    score: float | None = None
    change: Change = ""
    problem: str = ""


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """Ids and times of rows in the order in which they arrived.

    `repeated`: rows whose id came before. `future`: rows made later than now. `backwards`: rows made before the one
    that arrived ahead of them, `step_back`: by how many seconds at most; neither counts within JITTER. `freshness`:
    seconds since the last row that is not in the future was made. `delay`, `delay_p90`: seconds from when a row was
    made until it was received, median and 90% point; None where that is not told.
    """

    rows: int
    repeated: int = 0
    future: int = 0
    backwards: int = 0
    step_back: float = 0.0
    freshness: float | None = None
    delay: float | None = None
    delay_p90: float | None = None


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """`score`: 0 to 1, None without rows or features. `features`: the worst first. `changes`: new, gone, retyped."""

    score: float | None
    features: tuple[FeatureQuality, ...]
    arrivals: Arrivals
    changes: dict[str, Change]


def assess(
    table: pa.Table,
    features: Sequence[Feature],
    now: int,
    categories: Mapping[str, Collection[str]] | None = None,
    *,
    reference: Sequence[FeatureQuality] = (),
    prefix: str = "f_",
) -> Quality:
    """The quality of rows in the order in which they arrived.

    Args:
        table: features in columns named `prefix` + name; `id`, `at` and `received` (µs) where there are such.
        now: µs since the epoch.
        categories: as for `quality`.
        reference: what `quality` found for the rows that the model was trained on. What was usual there is no fault,
            and features since added, removed or given another type are told as such.

    >>> table = pa.table({"at": [0, 1_000_000], "f_a": [1.0, None]})
    >>> found = assess(table, [Feature("a")], now=5_000_000)
    >>> found.score, found.arrivals.freshness
    (0.5, 4.0)
    """
    before = {feature.name: feature for feature in reference}
    found = [_compared(f, before) for f in quality(table, features, categories, prefix=prefix)]
    rows, names = arrivals(table, now), {feature.name for feature in features}
    scores = [feature.score for feature in found if feature.score is not None]
    bad = (rows.repeated + rows.future) / rows.rows if rows.rows else 0.0
    gone = [FeatureQuality(name=f.name, rows=0, type=f.type, change="gone") for f in reference if f.name not in names]
    return Quality(
        score=float(np.mean(scores)) * max(0.0, 1 - bad) if scores else None,
        features=tuple(sorted(found, key=lambda f: (1.0 if f.score is None else f.score, f.name))) + tuple(gone),
        arrivals=rows,
        changes={feature.name: feature.change for feature in [*found, *gone] if feature.change},
    )


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


def arrivals(table: pa.Table, now: int) -> Arrivals:
    """Ids and times of rows in the order in which they arrived: columns `id`, `at`, `received`, those that there are.

    >>> arrivals(pa.table({"id": ["a", "b", "b"], "at": [0, 90_000_000, 30_000_000]}), now=60_000_000)
    Arrivals(rows=3, repeated=1, future=1, backwards=1, step_back=60.0, freshness=30.0, delay=None, delay_p90=None)
    """
    rows, found = table.num_rows, {}
    if "id" in table.column_names:
        ids = table["id"]
        known = pc.count(ids, mode="only_valid").as_py()
        found["repeated"] = known - pc.count_distinct(ids, mode="only_valid").as_py()
    if "at" not in table.column_names or not rows:
        return Arrivals(rows=rows, **found)
    at = _times(table["at"])
    steps = np.diff(at[~np.isnan(at)])
    past = at[at <= now + JITTER]
    waits = (_times(table["received"]) - at) / SECOND if "received" in table.column_names else np.empty(0)
    waits = waits[~np.isnan(waits)]
    return Arrivals(
        rows=rows,
        **found,
        future=int((at > now + JITTER).sum()),
        backwards=int((steps < -JITTER).sum()),
        step_back=float(max(0.0, -steps.min())) / SECOND if (steps < -JITTER).any() else 0.0,
        freshness=max(0.0, float(now - past.max()) / SECOND) if len(past) else None,
        delay=float(np.median(waits)) if len(waits) else None,
        delay_p90=float(np.quantile(waits, 0.9)) if len(waits) else None,
    )


def facts(found: Quality) -> dict[str, float | None]:
    """The metrics that rules may use: shares of rows, by feature, and the freshness in seconds.

    >>> table = pa.table({"f_a": [1.0, None]})
    >>> facts(assess(table, [Feature("a")], now=0))["missing:a"]
    0.5
    """
    told: dict[str, float | None] = {"freshness": found.arrivals.freshness}
    for feature in found.features:
        readable = feature.rows > 0 and not feature.problem
        for name in ("missing", "unseen", "out_of_range"):
            told[f"{name}:{feature.name}"] = getattr(feature, name) / feature.rows if readable else None
    return told


def _feature(table: pa.Table, feature: Feature, known: Collection[str] | None, prefix: str) -> FeatureQuality:
    rows, name = table.num_rows, prefix + feature.name
    if name not in table.column_names:
        return _unread(feature, rows, 0, f"there is no column '{name}'")
    column = table[name]
    missing = column.null_count
    unseen = out_of_range = non_finite = 0
    try:
        if feature.type == "number":
            non_finite, out_of_range = _numbers(table, name, feature, missing)
        elif feature.type == "category":
            text = columns.text(table, name)
            unseen = 0 if known is None else _unseen(text, known)
        elif not (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
            return _unread(feature, rows, missing, f"'{name}' does not hold booleans")
    except DataInvalid as error:
        return _unread(feature, rows, missing, error.message)
    share = (missing + unseen + out_of_range + non_finite) / rows if rows else 0.0
    return FeatureQuality(
        name=feature.name,
        rows=rows,
        type=feature.type,
        missing=missing,
        unseen=unseen,
        out_of_range=out_of_range,
        non_finite=non_finite,
        distinct=_distinct(column),
        share=share,
        score=1 - share if rows else None,
    )


def _unread(feature: Feature, rows: int, missing: int, problem: str) -> FeatureQuality:
    share, score = (missing / rows, 0.0) if rows else (0.0, None)
    return FeatureQuality(
        name=feature.name, rows=rows, type=feature.type, missing=missing, share=share, score=score, problem=problem
    )


def _compared(feature: FeatureQuality, before: Mapping[str, FeatureQuality]) -> FeatureQuality:
    """With its score over that of the reference, and what changed since."""
    old = before.get(feature.name)
    if not before:
        return feature
    if old is None:
        return msgspec.structs.replace(feature, change="new")
    if old.type != feature.type:
        return msgspec.structs.replace(feature, change="retyped")
    if feature.score is None or feature.problem or old.score is None:
        return feature
    return msgspec.structs.replace(feature, score=min(1.0, feature.score / old.score) if old.score else 1.0)


def _numbers(table: pa.Table, name: str, feature: Feature, missing: int) -> tuple[int, int]:
    """Values that are not finite, and finite ones out of range. Nulls read as NaN, so they are taken off."""
    values = columns.numbers(table, name)
    finite = values[np.isfinite(values)]
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    return len(values) - len(finite) - missing, int(((finite < low) | (finite > high)).sum())


def _unseen(text: pa.ChunkedArray, known: Collection[str]) -> int:
    seen = pc.is_in(text, value_set=pa.array(sorted(known), type=pa.string()))
    return int(len(text) - text.null_count - pc.sum(pc.and_(seen, pc.is_valid(text)), min_count=0).as_py())


def _distinct(column: pa.ChunkedArray) -> int:
    if column.null_count == len(column):
        return 0
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return int(pc.count_distinct(column, mode="only_valid").as_py())


def _times(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """µs, NaN where missing."""
    return np.asarray(pc.fill_null(pc.cast(pc.cast(column, pa.int64()), pa.float64()), float("nan")).to_numpy())
