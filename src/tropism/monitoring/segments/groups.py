"""The values of a feature that are looked at as segments, as small integers. The losses play no part in the choice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.core.task import Feature
from tropism.monitoring import columns

Codes = NDArray[np.int64]
MOST = 20
"""Categories that are looked at, the commonest."""
_BINS = 5
_DIGITS = 4


class Groups(NamedTuple):
    """The group of each row, shape (n,), and what each is called; 0 is none of them: too rare to be looked at."""

    feature: str
    codes: Codes
    names: tuple[str, ...]


def groups(table: pa.Table, feature: Feature, least: int, prefix: str = "f_") -> Groups:
    """A feature's common values, or bins of equal count where it is a number with many; missing values are a group.

    Raises:
        DataInvalid: the column is not there or of another type.

    >>> found = groups(pa.table({"f_a": ["x", "x", None, "y", "y"]}), Feature("a", "category"), least=2)
    >>> found.names, found.codes.tolist()
    (('', 'a = x', 'a = y'), [1, 1, 0, 2, 2])
    """
    name = prefix + feature.name
    if feature.type == "number":
        return _numbers(feature.name, columns.numbers(table, name), least)
    encoded = columns.text(table, name).combine_chunks().dictionary_encode()
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    labels = encoded.dictionary
    return _common(feature.name, places, lambda place: str(labels[place]), len(labels), least, MOST)


def _numbers(name: str, values: NDArray[np.float64], least: int) -> Groups:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= 2 * _BINS:
        places = np.where(np.isnan(values), -1, np.searchsorted(distinct, values))
        return _common(name, places, lambda place: f"{distinct[place]:.15g}", len(distinct), least, len(distinct))
    edges = _edges(known)
    places = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    shown = [f"{edge:.15g}" for edge in edges]
    names = [
        f"{name} < {shown[0]}",
        *(f"{low} <= {name} < {high}" for low, high in pairwise(shown)),
    ]
    return _kept(name, places, [*names, f"{name} >= {shown[-1]}"], least)


def _edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between bins of equal count, rounded to few digits where they stay apart."""
    exact = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    exact = exact[np.isfinite(exact)] if np.isfinite(exact).any() else np.array([0.0])
    rounded = np.unique([float(f"{edge:.{_DIGITS}g}") for edge in exact])
    return rounded if len(rounded) == len(exact) else exact


def _common(name: str, places: Codes, label: Callable[[int], str], count: int, least: int, most: int) -> Groups:
    """The commonest places, each a group; the others none."""
    counts = np.bincount(places[places >= 0], minlength=count)
    first = np.argsort(-counts, kind="stable")[:most]
    first = np.sort(first[counts[first] >= least])
    rank = np.full(count + 1, len(first), dtype=np.int64)
    rank[first] = np.arange(len(first))
    rank[-1] = -1
    return _kept(name, rank[places], [*(f"{name} = {label(place)}" for place in first), ""], least)


def _kept(name: str, places: Codes, names: list[str], least: int) -> Groups:
    """Groups of at least `least` rows, -1 being those whose value is missing and a name of "" none."""
    names = [*names, f"{name} is missing"]
    counts = np.bincount(np.where(places < 0, len(names) - 1, places), minlength=len(names))
    keep = [place for place in range(len(names)) if counts[place] >= least and names[place]]
    codes = np.zeros(len(names), dtype=np.int64)
    codes[keep] = np.arange(1, len(keep) + 1)
    return Groups(name, codes[places], ("", *(names[place] for place in keep)))
