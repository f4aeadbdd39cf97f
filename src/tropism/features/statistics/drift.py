"""Drift of one summary against another, on bins that both share, without the rows."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.features.statistics.divergence import jensen_shannon, population_stability
from tropism.features.statistics.frequent import Frequent
from tropism.features.statistics.quantiles import Quantiles
from tropism.features.statistics.summaries import Summary

Floats = NDArray[np.float64]
BINS = 10
_PER_BIN = 10


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """`psi`: population stability index, 0 to infinity. `jensen_shannon`: distance, 0 to 1. `missing`: the share of
    nulls, before and now. Nulls and infinite values have bins of their own. Without rows on one side both are 0."""

    psi: float
    jensen_shannon: float
    missing: tuple[float, float]

    @property
    def missing_change(self) -> float:
        """By how much the share of nulls went up, -1 to 1."""
        return self.missing[1] - self.missing[0]


def drift(reference: Summary, current: Summary) -> Drift:
    """How far `current` is from `reference`.

    Numbers and moments have bins of equal count in the reference, or one for each of its values when it has few; text
    and booleans one for each common value, and one each for rare and unseen ones.

    Raises:
        InvalidInput: they are of features of different types.
    """
    if reference.kind != current.kind:
        fault = Fault("kind", f"{reference.kind} and {current.kind}", "compare statistics of one type")
        raise InvalidInput("statistics of different types do not compare", fault)
    if reference.kind in ("text", "boolean"):
        old, new = _categories(reference.values, reference.present, current.values, current.present)
    else:
        old, new = _numbers(reference.quantiles, current.quantiles)
    old, new = (np.append(bins, [one.infinite, one.nulls]) for bins, one in ((old, reference), (new, current)))
    if reference.kind.startswith("vector"):  # counted, but not sketched
        old, new = np.append(old, reference.present), np.append(new, current.present)
    return Drift(
        psi=population_stability(old, new),
        jensen_shannon=jensen_shannon(old, new),
        missing=(_share(reference), _share(current)),
    )


def _share(summary: Summary) -> float:
    return summary.nulls / summary.count if summary.count else 0.0


def _numbers(reference: Quantiles, current: Quantiles) -> tuple[Floats, Floats]:
    values, weights = reference.points()
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        edges = np.sort(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    else:
        bins = int(np.clip(reference.count // _PER_BIN, 2, BINS))
        edges = np.unique(reference.at([place / bins for place in range(1, bins)]))
    newer = current.points()
    return _counted(edges, values, weights), _counted(edges, *newer)


def _counted(edges: Floats, values: Floats, weights: Floats) -> Floats:
    places = np.searchsorted(edges, values, side="right")
    return np.bincount(places, weights=weights, minlength=len(edges) + 1).astype(np.float64)


def _categories(reference: Frequent, rows: int, current: Frequent, new_rows: int) -> tuple[Floats, Floats]:
    """Counts of common values, rare ones, unseen ones.

    A value that the reference has once counts there as unseen: the share of such rows is what one must expect of
    values never seen before (Good and Turing, 1953). Where the reference has more values than counters, none of the
    current ones is known to be unseen, and all of them are rare.
    """
    common = [value for value, count in reference.top(2 * BINS).items() if count >= _PER_BIN]
    old = [reference.counts[value] for value in common]
    new = [current.counts.get(value, 0) for value in common]
    old_unseen = new_unseen = 0
    if not reference.error:
        old_unseen = sum(count == 1 for count in reference.counts.values())
        new_unseen = sum(count for value, count in current.counts.items() if value not in reference.counts)
    # Counters that are too large may leave less than nothing.
    old += [max(0, rows - sum(old) - old_unseen), old_unseen]
    new += [max(0, new_rows - sum(new) - new_unseen), new_unseen]
    return np.array(old, np.float64), np.array(new, np.float64)
