"""Two samples counted into the same bins: the reference's, with bins of their own for what is missing or unseen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.monitoring.columns import Codes

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
BINS = 10
_PER_BIN = 10


class Histograms(NamedTuple):
    """The bin of each value, and how many values of each sample a bin holds. The last bin is `missing`.

    `unseen`: the bin of categories that the reference does not have; None for numbers.
    """

    reference: Places
    current: Places
    reference_counts: Floats
    current_counts: Floats
    unseen: int | None

    @property
    def missing(self) -> int:
        return len(self.reference_counts) - 1


def of_numbers(reference: Floats, current: Floats) -> Histograms:
    """Bins of equal count in the reference, or one for each of its values when it has few. NaN is missing.

    >>> of_numbers(np.array([1.0, 1.0, 2.0]), np.array([1.0, 3.0, np.nan])).current_counts.tolist()
    [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    """
    known = reference[~np.isnan(reference)]
    values = np.unique(known)
    if len(values) <= BINS:
        edges = np.sort(np.concatenate([values, np.nextafter(values, np.inf)]))
    else:
        bins = int(np.clip(len(known) // _PER_BIN, 2, BINS))
        edges = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
    return _counted(_places(reference, edges), _places(current, edges), len(edges) + 2, None)


def of_categories(codes: Codes) -> Histograms:
    """A bin for each common category, then rare ones together, unseen ones, missing ones.

    A category that the reference has once counts there as unseen: the share of such rows is what one must expect
    of categories never seen before (Good and Turing, 1953), so that a column of many rare values does not seem to
    drift for that alone.
    """
    known = max(int(codes.reference.max(initial=-1)), int(codes.current.max(initial=-1))) + 1
    counts = np.bincount(codes.reference[codes.reference >= 0], minlength=known)
    rank = np.argsort(-counts, kind="stable")
    common = rank[: BINS * 2][counts[rank[: BINS * 2]] >= _PER_BIN]
    rare, unseen, missing = len(common), len(common) + 1, len(common) + 2
    place = np.full(known + 1, rare, dtype=np.int64)
    place[np.flatnonzero(counts == 0)] = unseen
    place[common] = np.arange(len(common))
    place[-1] = missing
    once = np.append(counts == 1, False)
    own = np.where(once[codes.reference], unseen, place[codes.reference])
    return _counted(own, place[codes.current], missing + 1, unseen)


def _places(values: Floats, edges: Floats) -> Places:
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right")).astype(np.int64)


def _counted(reference: Places, current: Places, bins: int, unseen: int | None) -> Histograms:
    old, new = np.bincount(reference, minlength=bins), np.bincount(current, minlength=bins)
    return Histograms(reference, current, old.astype(np.float64), new.astype(np.float64), unseen)
