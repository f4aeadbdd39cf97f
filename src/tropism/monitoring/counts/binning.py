"""How one column is counted."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.core.faults import shown

Array = NDArray[np.int64]
MOST_EDGES = 60
MOST_NAMES = 61
TRUTH = ("false", "true")


class Binning(msgspec.Struct, frozen=True, kw_only=True):
    """Bins of one column, frozen from the reference. The last bin is always that of missing values (null, NaN).

    Numbers are compared as float32, by `edges`, m of them: bin 0 holds what is below the first, bin i what is
    `edges[i - 1] <= x < edges[i]`, bin m what is at or above the last. `freeze` takes the reference's smallest value
    as first edge and the next float32 after its largest as last, so that bin 0 and bin m are out of its range. With
    no edges (a reference of no numbers) bin 0 holds every number.

    Categories have a bin for each of `names`, then one for all others. Raises DataInvalid for edges that do not rise
    or are no finite float32, names given twice, and more of either than a binning may have.

    >>> Binning(kind="number", edges=(0.0, 0.5, 1.5)).size, Binning(kind="category", names=("red", "teal")).size
    (5, 4)
    """

    kind: Literal["number", "category"]
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "number":
            _check(self.edges, self.names)
        elif self.edges:
            raise _refused("edges", str(len(self.edges)), "give categories names, no edges")
        elif len(self.names) > MOST_NAMES or len(set(self.names)) < len(self.names):
            raise _refused("names", str(len(self.names)), f"give at most {MOST_NAMES} names, each once")

    @property
    def size(self) -> int:
        """Bins in all."""
        return len(self.edges) + 2 if self.kind == "number" else len(self.names) + 2

    @property
    def missing(self) -> int:
        """The bin of missing values."""
        return self.size - 1


def _check(edges: tuple[float, ...], names: tuple[str, ...]) -> None:
    if names or len(edges) > MOST_EDGES:
        raise _refused("edges", str(len(edges)), f"give numbers at most {MOST_EDGES} edges, and no names")
    with np.errstate(over="ignore"):
        exact = np.array(edges, np.float32)
    wrong = ~np.isfinite(exact) | (exact.astype(np.float64) != np.array(edges, np.float64))
    wrong[1:] |= ~(exact[1:] > exact[:-1])
    if wrong.any():
        first = edges[int(np.argmax(wrong))]
        raise _refused("edges", shown(first), "give rising edges that are finite float32 values")


def _refused(field: str, value: str, fix: str) -> DataInvalid:
    return DataInvalid("these bins cannot count anything", Fault(field, value, fix))
