"""The rows of a part that came as a table: from CSV, Parquet or Arrow."""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tropism.core.errors import InputError, InvalidInput
from tropism.core.faults import MOST, Faults
from tropism.entrypoints.scoring.rows import Rows, refused_line
from tropism.serving.tabular.checking import check
from tropism.serving.tabular.misfits import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from tropism.entrypoints.scoring.parts import Part, Ragged
    from tropism.entrypoints.scoring.plan import Plan
    from tropism.serving.tabular.misfits import Misfit


class _Refusal(NamedTuple):
    """One thing that is wrong with a row."""

    row: int
    error: type[InputError]
    headline: str
    field: str
    value: str
    fix: str


def read_table(plan: Plan, part: Part) -> Rows:
    """The rows of a part that is an Arrow stream.

    Raises:
        InvalidInput: rows cannot be used, and the plan does not skip such rows; names them.
    """
    raw = pa.ipc.open_stream(pa.py_buffer(part.data)).read_all()
    numbers = part.numbers
    is_text = plan.source.form == "csv"
    checked = check(raw, plan.task, plan.layout, plan.latest, is_text, lambda row: int(numbers[row]))
    beside = _beside(raw, checked.table, plan)
    if not checked.misfits and not part.ragged:
        return Rows(checked.table, beside, numbers)
    cells = (_of_cell(row, one, numbers) for row, one in in_order(checked.misfits, None if plan.skip_bad else MOST))
    refusals = merge(cells, map(_of_ragged, part.ragged), key=lambda one: one.row)
    if not plan.skip_bad:
        _faults(refusals).check()
    lines = list(_set_aside(refusals, raw, part, numbers))
    good = np.ones(raw.num_rows, np.bool_)
    for misfit in checked.misfits:
        good[misfit.rows] = False
    kept = pa.array(good)
    return Rows(checked.table.filter(kept), beside.filter(kept), numbers[good], b"".join(lines), len(lines))


def _beside(raw: pa.Table, table: pa.Table, plan: Plan) -> pa.Table:
    found = table.select(plan.layout.carried)
    for name in plan.layout.kept:
        found = found.append_column(name, raw.column(name))
    return found


def _of_cell(row: int, misfit: Misfit, numbers: NDArray[np.int64]) -> _Refusal:
    number = int(numbers[row])
    field = f"row {number}, {misfit.column}"
    return _Refusal(number, misfit.error, misfit.headline, field, misfit.value(row), misfit.fix)


def _of_ragged(one: Ragged) -> _Refusal:
    headline = f"row {one.row} has {one.cells} cells, not {one.expected}"
    fix = f"give it {one.expected} cells, as the header has; quote a cell that holds the delimiter"
    return _Refusal(one.row, InvalidInput, headline, f"row {one.row}", f"{one.cells} cells", fix)


def _faults(refusals: Iterable[_Refusal]) -> Faults:
    faults = Faults()
    for one in refusals:
        faults.add(one.error, one.headline, one.field, one.value, one.fix)
    return faults


def _set_aside(refusals: Iterable[_Refusal], raw: pa.Table, part: Part, numbers: NDArray[np.int64]) -> Iterator[bytes]:
    """Each row that is left out, as a line of JSON."""
    ragged = {one.row: one.text for one in part.ragged}
    for row, wrong in groupby(refusals, key=lambda one: one.row):
        values: Any = ragged.get(row)
        if values is None:
            position = int(np.searchsorted(numbers, row))
            values = {name: _plain(raw.column(name)[position]) for name in raw.column_names}
        try:
            _faults(wrong).check()
        except InputError as error:
            yield refused_line(row, error, values)


def _plain(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except (ValueError, OverflowError, KeyError):  # a time that Python does not know
        return str(cell)
