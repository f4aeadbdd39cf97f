"""How a column moved, in a few words: before and now."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tropism.entrypoints.cli.brief import number, percent
from tropism.entrypoints.cli.drawing import one_line
from tropism.monitoring.health.moved import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.loop.viewing.drift import ColumnDrift

_LEAST = 0.02
"""Change of a share that is worth a word."""
_GROUPS = 60


def movement(column: ColumnDrift) -> str:
    """What changed most: missing values, values out of the reference's range, the median, or one category's share.

    >>> import numpy as np
    >>> from tropism.loop.viewing.drift import ColumnDrift
    >>> from tropism.monitoring.counts import Binning
    >>> from tropism.monitoring.health.moved import moved
    >>> bins = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    >>> found = moved("a", bins, np.array([0, 8, 2, 0, 0]), np.array([0, 2, 8, 0, 0]))
    >>> movement(ColumnDrift(name="a", type="number", moved=found))
    'median 0.625 -> 1.38'
    """
    words = []
    for what, shares in (
        ("missing", column.missing),
        ("out of range" if _numeric(column) else "unseen", column.outside),
    ):
        if shares is not None and abs(shares[1] - shares[0]) >= _LEAST:
            words.append(f"{what} {percent(shares[0])} -> {percent(shares[1])}")
    words += [_middle(column) if _numeric(column) else _share(column)]
    return ", ".join(word for word in words if word)


def _numeric(column: ColumnDrift) -> bool:
    return column.moved is not None and column.moved.binning.kind == "number"


def _middle(column: ColumnDrift) -> str:
    assert column.moved is not None
    edges = column.moved.binning.edges
    before, now = (median(edges, counts) for counts in (column.moved.reference, column.moved.current))
    return "" if before is None or now is None else f"median {number(before)} -> {number(now)}"


def median(edges: Sequence[float], counts: Sequence[int]) -> float | None:
    """The median of what is counted in bins, values taken to be spread evenly in each; None without any.

    `counts`: below the first edge, between two each, above the last, missing.

    >>> median((0.0, 1.0, 2.0), (0, 1, 1, 0, 9)), median((0.0, 1.0), (5, 1, 0, 0)), median((), (3, 0))
    (1.0, 0.0, None)
    """
    known = counts[:-1]
    half = sum(known) / 2
    if not half or not edges:
        return None
    spans = [(edges[0], edges[0]), *pairwise(edges), (edges[-1], edges[-1])]
    below = 0.0
    for (low, high), count in zip(spans, known, strict=True):
        if count and below + count >= half:
            return low + (high - low) * (half - below) / count
        below += count
    return edges[-1]


def _share(column: ColumnDrift) -> str:
    """The category whose share changed most."""
    if column.moved is None:
        return ""
    found = [one for one in groups(column.moved, _GROUPS) if one.name != "missing"]
    if not found:
        return ""
    most = max(found, key=lambda one: abs(one.current - one.reference))
    return f"{one_line(most.name, 20)} {percent(most.reference)} -> {percent(most.current)}"
