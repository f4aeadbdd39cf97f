"""Do features and predictions still look as they did? Each measure on its own scale, and one score to act on.

The score is an effect size, not a probability: the Jensen-Shannon distance beyond what chance explains, 0 to 1, the
same for numbers, categories and booleans. It counts only where it passes a floor and the change is significant after
Benjamini and Hochberg's correction (1995) over all columns: while nothing changes, a report has a score above 0 with
probability `false_alarms` at most. Rows are taken in time order, and dependence between them lessens their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.core.task import Feature
from tropism.experiments.dependence import inflation
from tropism.monitoring import columns, divergence, histograms
from tropism.monitoring.columns import Codes
from tropism.monitoring.histograms import Histograms

PREDICTION = "prediction"
Floats = NDArray[np.float64]


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column, reference against current.

    `psi`: population stability index, 0 to infinity. `jensen_shannon`: distance, 0 to 1. `ks`: Kolmogorov-Smirnov
    distance, 0 to 1, numbers only. `effect`: the Jensen-Shannon distance beyond chance. `score`: the effect where
    it counts, else 0. `missing` and `unseen`: shares of rows, before and now. `problem`: why it could not be
    compared, empty when it could.
    """

    name: str
    type: str
    psi: float = 0.0
    jensen_shannon: float = 0.0
    ks: float | None = None
    p_value: float = 1.0
    effect: float = 0.0
    score: float = 0.0
    missing: tuple[float, float] = (0.0, 0.0)
    unseen: float = 0.0
    problem: str = ""


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """`score`: the largest of the columns' scores. `causes`: columns that drifted, the worst first."""

    features: tuple[FeatureDrift, ...]
    score: float
    triggered: bool
    causes: tuple[str, ...]
    reference_rows: int
    current_rows: int
    false_alarms: float
    floor: float


class _Columns(NamedTuple):
    """A column of both tables: how it is binned and, for numbers, its values."""

    type: str
    bins: Histograms
    values: tuple[Floats, Floats] | None = None


def drift(
    reference: pa.Table,
    current: pa.Table,
    features: Sequence[Feature],
    *,
    prefix: str = "f_",
    false_alarms: float = 0.01,
    floor: float = 0.1,
) -> DriftReport:
    """Drift of each feature, and of the predictions where both tables have a column `scores`.

    Args:
        reference: rows in time order, such as those the model was trained on; features in columns named
            `prefix` + name, predictions in `scores` (lists of numbers).
        current: the rows to compare.
        false_alarms: probability, while nothing changes, that any column of a report seems to have drifted.
        floor: smallest effect that counts; 0.1 is a shift of a quarter of a standard deviation.

    A column that is absent, of another type, empty or constant is reported as such and harms no other.

    >>> old, new = pa.table({"f_a": [0.0, 1.0] * 200}), pa.table({"f_a": [0.0, 1.0, 1.0, 1.0] * 100})
    >>> report = drift(old, new, [Feature("a")])
    >>> report.triggered, report.causes
    (True, ('a',))
    """
    found = [
        _measured(feature.name, feature.type, partial(_feature, reference, current, feature, prefix))
        for feature in features
    ]
    if "scores" in reference.column_names and "scores" in current.column_names:
        found.append(_measured(PREDICTION, "prediction", partial(_predictions, reference, current)))
    counted = _counting(found, false_alarms, floor)
    ranked = sorted((f for f in counted if f.score > 0), key=lambda f: (-f.score, f.name))
    return DriftReport(
        features=counted,
        score=ranked[0].score if ranked else 0.0,
        triggered=bool(ranked),
        causes=tuple(f.name for f in ranked),
        reference_rows=reference.num_rows,
        current_rows=current.num_rows,
        false_alarms=false_alarms,
        floor=floor,
    )


def _feature(reference: pa.Table, current: pa.Table, feature: Feature, prefix: str) -> _Columns:
    name = prefix + feature.name
    if feature.type == "number":
        return _number(columns.numbers(reference, name), columns.numbers(current, name))
    return _Columns(feature.type, histograms.of_categories(columns.categories(reference, current, name)))


def _number(reference: Floats, current: Floats) -> _Columns:
    return _Columns("number", histograms.of_numbers(reference, current), (reference, current))


def _predictions(reference: pa.Table, current: pa.Table) -> _Columns:
    widths = columns.score_width(reference), columns.score_width(current)
    if 0 in widths or widths[0] != widths[1]:
        fault = Fault("scores", f"{widths[0]} before, {widths[1]} now", "compare predictions of one task")
        raise DataInvalid("no predictions to compare" if 0 in widths else "another number of classes", fault)
    if widths[0] == 1:
        return _number(columns.first_scores(reference), columns.first_scores(current))
    names = tuple(str(position) for position in range(widths[0]))
    codes = Codes(columns.likeliest(reference), columns.likeliest(current), names)
    return _Columns("category", histograms.of_categories(codes))


def _measured(name: str, kind: str, read: Callable[[], _Columns]) -> FeatureDrift:
    try:
        column = read()
    except DataInvalid as error:
        return FeatureDrift(name=name, type=kind, problem=error.message)
    bins = column.bins
    if not len(bins.reference) or not len(bins.current):
        return FeatureDrift(name=name, type=kind, problem="no rows to compare")
    old, new = bins.reference_counts, bins.current_counts
    inflated = _inflation(column, 0), _inflation(column, 1)
    sizes = old.sum() / inflated[0], new.sum() / inflated[1]
    distance, chance = _significance(column, inflated)
    return FeatureDrift(
        name=name,
        type=column.type if name == PREDICTION else kind,
        psi=divergence.population_stability(old, new),
        jensen_shannon=divergence.jensen_shannon(old, new),
        ks=distance,
        p_value=chance,
        effect=divergence.distance_beyond_chance(old, new, *sizes),
        missing=(float(old[bins.missing] / old.sum()), float(new[bins.missing] / new.sum())),
        unseen=0.0 if bins.unseen is None else float(new[bins.unseen] / new.sum()),
    )


def _inflation(column: _Columns, side: Literal[0, 1]) -> float:
    """How much less the rows say because neighbours resemble one another: of ranks, or of the commonest bin."""
    bins = column.bins
    places = (bins.reference, bins.current)[side]
    if column.values is None:
        return inflation((places == int(bins.reference_counts.argmax())).astype(np.float64))
    values = column.values[side]
    known = values[~np.isnan(values)]
    ranks = np.argsort(np.argsort(known, kind="stable"), kind="stable").astype(np.float64)
    return max(inflation(ranks), inflation((places == bins.missing).astype(np.float64)))


def _significance(column: _Columns, inflated: tuple[float, float]) -> tuple[float | None, float]:
    """The Kolmogorov-Smirnov distance of numbers, and the chance of a change this large while nothing changes."""
    old, new = column.bins.reference_counts, column.bins.current_counts
    if column.values is None:
        return None, divergence.homogeneity_chance(old, new, inflated)
    before, now = (values[~np.isnan(values)] for values in column.values)
    distance = divergence.kolmogorov_smirnov(before, now)
    shape = divergence.kolmogorov_smirnov_chance(distance, len(before) / inflated[0], len(now) / inflated[1])
    gaps = np.array([len(before), old[-1]]), np.array([len(now), new[-1]])
    return distance, min(1.0, 2 * min(shape, divergence.homogeneity_chance(*gaps, inflated)))


def _counting(found: list[FeatureDrift], false_alarms: float, floor: float) -> tuple[FeatureDrift, ...]:
    """Gives a score to those whose change is significant (Benjamini and Hochberg) and large enough."""
    tested = sorted(f.p_value for f in found if not f.problem)
    limits = [p for rank, p in enumerate(tested, 1) if p <= false_alarms * rank / len(tested)]
    limit = max(limits, default=-1.0)
    return tuple(
        msgspec.structs.replace(f, score=f.effect) if not f.problem and f.p_value <= limit and f.effect >= floor else f
        for f in found
    )
