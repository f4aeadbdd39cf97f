"""Numbers put into bins."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault
from tropism.features.transformations.base import Checked, OneColumn, TrainingRows, known_values, named
from tropism.features.transformations.values import NUMBERS, number, numbers

if TYPE_CHECKING:
    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row

MOST_BINS = 1_024


class Binning(OneColumn, frozen=True, tag="binning"):
    """The number of the bin that a value is in, from 0.

    A bin begins with its lower edge and ends before its upper one; what is below the first edge is in the first bin,
    what is at or above the last edge in the last. `by`: `width` makes `bins` of equal width between the smallest and
    the largest of the training rows, `quantile` as many of about equally many rows (fewer where values repeat),
    `edges` takes those given, of which n + 1 make n bins. `name`: `bin_` and the column.

    >>> age = Binning("age", by="edges", edges=(0, 18, 65, 120))
    >>> [age.fit_edges().apply_row({"age": years})["bin_age"] for years in (-1, 17, 18, 130, None)]
    [0, 0, 1, 2, None]
    """

    by: Literal["width", "quantile", "edges"] = "quantile"
    bins: int = 10
    edges: tuple[float, ...] = ()
    name: str = ""

    def _faults(self) -> list[Fault]:
        faults = named(self, f"bin_{self.column}")
        if self.by != "edges" and self.edges:
            faults.append(Fault("edges", repr(self.edges)[:80], "say by='edges', or give none"))
        if self.by == "edges" and not (1 < len(self.edges) <= MOST_BINS + 1 and _rising(self.edges)):
            faults.append(
                Fault("edges", repr(self.edges)[:80], f"give 2 to {MOST_BINS + 1} numbers, each above the last")
            )
        if not 2 <= self.bins <= MOST_BINS:
            faults.append(Fault("bins", str(self.bins), f"use 2 to {MOST_BINS}"))
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        return NUMBERS

    @property
    def outputs(self) -> dict[str, str]:
        return {self.name: "integer"}

    def fit_edges(self) -> FittedBinning:
        """Given edges need no rows."""
        return FittedBinning(self, self.edges[1:-1])

    def fit(self, rows: TrainingRows) -> FittedBinning:
        values = numbers(rows.table, self.column)
        if self.by == "edges":
            return self.fit_edges()
        known = known_values(values, self.column)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.by == "width":
                edges = np.linspace(known.min(), known.max(), self.bins + 1)
            else:
                edges = np.quantile(known, np.linspace(0, 1, self.bins + 1))
        if not np.isfinite(edges).all():
            fault = Fault(self.column, repr(float(np.abs(known).max())), "give edges, or remove the wrong values")
            raise DataInvalid(f"the column '{self.column}' has values that are too large", fault)
        return FittedBinning(self, tuple(np.unique(edges)[1:-1].tolist()))


class FittedBinning(Checked, frozen=True, tag="binning-fitted"):
    """`inner`: the edges between two bins, rising."""

    declared: Binning
    inner: tuple[float, ...]

    def _faults(self) -> list[Fault]:
        return [] if _rising(self.inner) else [Fault("inner", repr(self.inner)[:80], "each is above the last")]

    @property
    def outputs(self) -> dict[str, str]:
        return self.declared.outputs

    def apply(self, table: pa.Table) -> Columns:
        values = numbers(table, self.declared.column)
        bins = np.searchsorted(np.array(self.inner, np.float64), values, side="right")
        return {self.declared.name: pa.array(bins, pa.int64(), mask=np.isnan(values))}

    def apply_row(self, row: Row) -> Values:
        value = number(row, self.declared.column)
        return {self.declared.name: None if value is None else bisect_right(self.inner, value)}


def _rising(edges: tuple[float, ...]) -> bool:
    return all(low < high for low, high in pairwise(edges))
