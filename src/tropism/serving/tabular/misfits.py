"""Cells that cannot be used: found a column at a time, told a row at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from tropism.core.faults import MOST, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tropism.core.errors import InputError
    from tropism.core.faults import Faults

    Numbering = Callable[[int], int]

_LONGEST = 80


class Misfit(NamedTuple):
    """Cells of one column that are wrong in one way. `rows`: their positions, rising. `values`: the whole column."""

    column: str
    rows: NDArray[np.int64]
    values: pa.Array
    error: type[InputError]
    headline: str
    fix: str

    def value(self, row: int) -> str:
        """What stands in a row, short enough for a message."""
        cell = self.values[row]
        if isinstance(cell, pa.DictionaryScalar):
            cell = cell.value
        if pa.types.is_temporal(cell.type):
            return _time(cell)
        found = cell.as_py()
        return shown(found[: _LONGEST + 1] if isinstance(found, str) else found)


def _time(cell: pa.Scalar) -> str:
    """A time as text; beyond the years that Python knows, or in a zone that it does not, the number behind it."""
    try:
        return str(cell.as_py())
    except (ValueError, OverflowError, KeyError):
        return str(cell.value)


def positions(mask: pa.Array | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where a mask is true; null counts as false."""
    if isinstance(mask, pa.Array):
        mask = mask.fill_null(False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(mask)


def in_order(misfits: Sequence[Misfit], most: int | None = None) -> Iterator[tuple[int, Misfit]]:
    """Each wrong cell by row, then by column, the first `most` of them."""
    firsts = [one.rows if most is None else one.rows[:most] for one in misfits]
    if not firsts:
        return
    rows = np.concatenate(firsts)
    owners = np.repeat(np.arange(len(firsts)), [len(one) for one in firsts])
    for index in np.argsort(rows, kind="stable")[:most].tolist():
        yield int(rows[index]), misfits[owners[index]]


def from_one(row: int) -> int:
    """The number of a row by its position, where rows count from 1."""
    return row + 1


def report(misfits: Sequence[Misfit], faults: Faults, number: Numbering = from_one) -> None:
    """Adds every wrong cell to `faults`, in order of rows."""
    listed = 0
    for row, one in in_order(misfits, MOST):
        faults.add(one.error, one.headline, f"row {number(row)}, {one.column}", one.value(row), one.fix)
        listed += 1
    rest = sum(len(one.rows) for one in misfits) - listed
    for _ in range(rest):
        faults.add(misfits[0].error, misfits[0].headline, "", "", "")
