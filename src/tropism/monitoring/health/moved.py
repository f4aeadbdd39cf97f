"""How far a column moved in a period, from its counts and the reference's in the same bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.monitoring.counts import Binning, measures

if TYPE_CHECKING:
    from tropism.monitoring.counts.binning import Array

GROUPS = 10


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Effect sizes, each on its own scale (`counts.measures`), and the counts that they come from.

    All are None where either side has no rows; `kolmogorov_smirnov` and `wasserstein` (in standard deviations of the
    reference) are of numbers only. None says how sure the change is: that is what monitors are for.
    """

    name: str
    binning: Binning
    reference: tuple[int, ...]
    current: tuple[int, ...]
    kolmogorov_smirnov: float | None = None
    population_stability: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None
    chi_square: float | None = None


class Group(NamedTuple):
    """Neighbouring bins as one: its name, and its share of the reference's rows and of the current ones."""

    name: str
    reference: float
    current: float


def moved(name: str, binning: Binning, reference: Array, current: Array) -> Moved:
    """A column's measures, from counts of shape (binning.size,).

    >>> import numpy as np
    >>> colours = Binning(kind="category", names=("red", "teal"))
    >>> found = moved("colour", colours, np.array([6, 4, 0, 0]), np.array([0, 8, 2, 0]))
    >>> round(found.chi_square, 2), found.wasserstein
    (0.68, None)
    """
    found = Moved(name=name, binning=binning, reference=tuple(reference.tolist()), current=tuple(current.tolist()))
    if not reference.sum() or not current.sum():
        return found
    figures = measures({name: binning}, {name: reference}, {name: current})[name]._asdict()
    if binning.kind != "number" or not reference[:-1].sum() or not current[:-1].sum():
        figures |= {"kolmogorov_smirnov": None, "wasserstein": None}
    return msgspec.structs.replace(found, **figures)


def groups(column: Moved, most: int = GROUPS) -> list[Group]:
    """At most `most` groups of neighbouring bins, beside those out of range and missing, to be drawn.

    >>> numbers = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    >>> [group.name for group in groups(Moved(name="a", binning=numbers, reference=(0, 2, 2, 0, 0),
    ...                                       current=(0, 2, 2, 3, 0)))]
    ['0 to 1', '1 to 2', 'above 2']
    """
    places = _numbers(column.binning, most) if column.binning.kind == "number" else _names(column.binning, most)
    old, new = sum(column.reference), sum(column.current)
    found = [
        Group(
            name,
            sum(column.reference[place] for place in bins) / old if old else 0.0,
            sum(column.current[place] for place in bins) / new if new else 0.0,
        )
        for name, bins in places
    ]
    return [group for group in found if group.reference or group.current]


def _numbers(binning: Binning, most: int) -> list[tuple[str, range]]:
    edges, missing = binning.edges, ("missing", range(binning.missing, binning.size))
    if not edges:
        return [("any number", range(1)), missing]
    last = len(edges)
    step = -(-(last - 1) // most) or 1
    inside = [
        (f"{edges[first - 1]:.4g} to {edges[min(first + step, last) - 1]:.4g}", range(first, min(first + step, last)))
        for first in range(1, last, step)
    ]
    above = (f"above {edges[-1]:.4g}", range(last, last + 1))
    return [(f"below {edges[0]:.4g}", range(1)), *inside, above, missing]


def _names(binning: Binning, most: int) -> list[tuple[str, range]]:
    kept = binning.names[:most]
    named = [(name, range(place, place + 1)) for place, name in enumerate(kept)]
    return [*named, ("others", range(len(kept), binning.missing)), ("missing", range(binning.missing, binning.size))]
