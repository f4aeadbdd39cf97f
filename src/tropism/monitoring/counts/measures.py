"""How far apart two samples are, from their counts in the same bins alone, for many columns at once.

Each measure is an effect size on a scale of its own: it says how much changed, not whether chance did it. Of a sample
without rows nothing can be said; every measure is then 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.features.statistics import divergence
from tropism.monitoring.counts.binning import Array, Binning

Floats = NDArray[np.float64]
_SMOOTHING = 0.5


class Measures(NamedTuple):
    """How far a column moved.

    `kolmogorov_smirnov`: largest distance between the distribution functions at the bins' edges, 0 (alike) to 1
    (nothing in common); of numbers that are there, and below that of the raw values by at most the mass of one bin.
    `population_stability`: its index over all bins, missing included, 0 to infinity. By custom below 0.1 is little,
    above 0.25 a lot. Half a row is added to each bin that either sample uses, so that an empty one does not make it
    infinite; a small sample therefore shows about (bins - 1) / rows without any change.
    `jensen_shannon`: the distance over all bins, 0 to 1: the root of the divergence in bits (Endres and Schindelin,
    2003).
    `wasserstein`: the mean way that values moved, in standard deviations of the reference: the area between the two
    distribution functions (Vallender, 1974), values spread evenly in a bin. What is out of the reference's range counts
    as lying at its end: a move out of range altogether shows as less than it is, and that of a constant as 1.7. None
    for categories.
    `chi_square`: Cramér's V of the table of two samples by bins (Cramér, 1946), 0 to 1, as if both had equally many
    rows. By custom 0.1 is small, 0.3 medium, 0.5 large (Cohen, 1988).
    """

    kolmogorov_smirnov: float
    population_stability: float
    jensen_shannon: float
    wasserstein: float | None
    chi_square: float


def measures(
    binnings: Mapping[str, Binning], reference: Mapping[str, Array], current: Mapping[str, Array]
) -> dict[str, Measures]:
    """All measures of each column that `current` has, by its name.

    Raises:
        DataInvalid: counts are in other bins than those given.

    >>> binnings = {"a": Binning(kind="number", edges=(0.0, 1.0, 2.0))}
    >>> found = measures(binnings, {"a": np.array([0, 9, 9, 0, 0])}, {"a": np.array([0, 0, 18, 0, 0])})["a"]
    >>> found.kolmogorov_smirnov, round(found.wasserstein, 3)
    (0.5, 0.866)
    """
    _check(binnings, reference, current)
    names = [name for name in current if current[name].sum() and reference[name].sum()]
    found = {name: Measures(0.0, 0.0, 0.0, 0.0 if binnings[name].kind == "number" else None, 0.0) for name in current}
    if not names:
        return found
    size = max(binnings[name].size for name in names)
    old, new = (_stacked([one[name] for name in names], size) for one in (reference, current))
    gaps = _gaps(old, new)
    moved = _moved([binnings[name] for name in names], _shares(old[:, :-1]), gaps)
    columns = (np.abs(gaps).max(axis=1), _population_stability(old, new), *_divergences(_shares(old), _shares(new)))
    for name, ks, psi, js, v, way in zip(names, *(one.tolist() for one in columns), moved.tolist(), strict=True):
        found[name] = Measures(ks, psi, js, way if binnings[name].kind == "number" else None, v)
    return found


def beyond_chance(reference: Array, current: Array) -> float:
    """The Jensen-Shannon distance less what samples of these sizes show without any change, 0 to 1.

    >>> beyond_chance(np.array([50, 50, 0]), np.array([6, 4, 0]))
    0.0
    """
    if not reference.sum() or not current.sum():
        return 0.0
    bins = int(((reference + current) > 0).sum())
    expected = (bins - 1) / (8 * log(2)) * (1 / reference.sum() + 1 / current.sum())
    return sqrt(
        max(0.0, divergence.jensen_shannon(reference.astype(np.float64), current.astype(np.float64)) ** 2 - expected)
    )


def _check(binnings: Mapping[str, Binning], reference: Mapping[str, Array], current: Mapping[str, Array]) -> None:
    for name in current:
        if not len(reference[name]) == len(current[name]) == binnings[name].size:
            given = f"{binnings[name].size} bins, counts of {len(reference[name])} and {len(current[name])}"
            raise DataInvalid(f"'{name}' is counted in other bins", Fault(name, given, "count both in the same bins"))


def _stacked(counts: list[Array], size: int) -> Floats:
    """Counts of columns (f, size): empty bins fill up, missing values stay last."""
    made = np.zeros((len(counts), size))
    for row, one in zip(made, counts, strict=True):
        row[: len(one) - 1], row[-1] = one[:-1], one[-1]
    return made


def _shares(counts: Floats) -> Floats:
    rows = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.where(rows > 0, rows, 1.0))


def _gaps(old: Floats, new: Floats) -> Floats:
    """Between the distribution functions of what is not missing, at the bins' ends; 0 where either has none of it."""
    both = np.minimum(old[:, :-1].sum(axis=1), new[:, :-1].sum(axis=1))[:, None] > 0
    return np.asarray(np.cumsum(_shares(old[:, :-1]) - _shares(new[:, :-1]), axis=1) * both)


def _population_stability(old: Floats, new: Floats) -> Floats:
    more = np.where(old + new > 0, _SMOOTHING, 0.0)
    before, now = _shares(old + more), _shares(new + more)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(more > 0, (now - before) * np.log(now / before), 0.0).sum(axis=1))


def _divergences(old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Jensen-Shannon distances and Cramér's V."""
    both = old + new
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = [np.where(one > 0, one * np.log2(2 * one / both), 0.0) for one in (old, new)]
        chi = np.where(both > 0, (old - new) ** 2 / both, 0.0).sum(axis=1)
    shannon = np.sqrt(np.clip((bits[0] + bits[1]).sum(axis=1) / 2, 0.0, 1.0))
    return shannon, np.minimum(1.0, np.sqrt(chi / 2))


def _moved(binnings: list[Binning], before: Floats, gaps: Floats) -> Floats:
    """The mean way in standard deviations of the reference; edges beyond a column's own stand at its last one."""
    if before.shape[1] < 3:
        return np.zeros(len(binnings))  # none has two edges
    edges = np.zeros((len(binnings), before.shape[1] - 1))
    for row, one in zip(edges, binnings, strict=True):
        if one.edges:
            row[: len(one.edges)], row[len(one.edges) :] = one.edges, one.edges[-1]
    widths = np.diff(edges, axis=1)
    left, right = gaps[:, :-2], gaps[:, 1:-1]
    both = np.abs(left) + np.abs(right)
    parted = np.where(left * right < 0, (left**2 + right**2) / np.where(both > 0, both, 1.0), both)
    middles = np.concatenate([edges[:, :1], (edges[:, 1:] + edges[:, :-1]) / 2, edges[:, -1:]], axis=1)
    within = np.concatenate([np.zeros((len(edges), 1)), widths, np.zeros((len(edges), 1))], axis=1) ** 2 / 12
    mean = (before * middles).sum(axis=1, keepdims=True)
    scale = np.sqrt((before * ((middles - mean) ** 2 + within)).sum(axis=1))
    return np.asarray(np.where(scale > 0, (parted * widths).sum(axis=1) / 2 / np.where(scale > 0, scale, 1.0), 0.0))
