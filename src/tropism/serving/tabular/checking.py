"""Tables checked against a task: whole columns at a time, and with the meaning that single rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults
from tropism.serving.tabular import text_cells, typed_cells
from tropism.serving.tabular.carried import carried
from tropism.serving.tabular.columns import default_column, expected, schema_of
from tropism.serving.tabular.misfits import Misfit, from_one, positions, report

if TYPE_CHECKING:
    from tropism.core.task import Feature, Task
    from tropism.serving.tabular.columns import Layout
    from tropism.serving.tabular.misfits import Numbering
    from tropism.serving.tabular.typed_cells import Read

_NOUNS = {"number": "a number", "category": "a category", "boolean": "a boolean"}
_FIXES = {
    ("number", False): "send a number between -1e300 and 1e300",
    ("category", False): "send at most 1024 characters",
    ("boolean", False): "send true or false",
    ("number", True): "write a number between -1e300 and 1e300, and nothing where it is not known",
    ("category", True): "write at most 1024 characters",
    ("boolean", True): "write true or false, and nothing where it is not known",
}
_CARRIED = {"entity": "text", "unit": "text", "prediction_id": "text", "at": "timestamps, or ISO 8601 text"}


class Checked(NamedTuple):
    """Rows as their task types them, and the cells that are of no use: their rows are of no use either."""

    table: pa.Table
    misfits: list[Misfit]


def check(
    raw: pa.Table, task: Task, layout: Layout, latest: int, is_text: bool = False, number: Numbering = from_one
) -> Checked:
    """Checks the rows of a table. `latest`: µs, the last moment allowed. `is_text`: all columns are text, from CSV.

    `number`: the number of a row by its position, for messages.

    Raises:
        InvalidInput: a column is of another type altogether.
    """
    faults = Faults()
    columns, misfits = [], []
    for feature in task.features:
        if feature.name in layout.defaulted:
            columns.append(default_column(feature, raw.num_rows))
            continue
        column = _whole(raw, feature.name)
        if feature.name in task.keys and pa.types.is_integer(column.type):
            column = column.cast(pa.string())
        readers = text_cells.READERS if is_text else typed_cells.READERS
        read = readers[feature.type](column)
        if read is None:
            _refuse_type(feature.name, column, f"feature '{feature.name}' is not {_NOUNS[feature.type]}",
                         f"store {expected(feature)}", faults, number)  # fmt: skip
            continue
        columns.append(read.values)
        misfits += _wrong(feature, column, read, is_text)
    for name in layout.carried:
        column = _whole(raw, name)
        found = carried(name, column, task, latest, is_text)
        if found is None:
            _refuse_type(name, column, f"'{name}' cannot be read", f"store {_CARRIED[name]}", faults, number)
            continue
        columns.append(found[0])
        misfits += found[1]
    faults.check()
    return Checked(pa.Table.from_arrays(columns, schema=schema_of(task, layout)), misfits)


def check_types(schema: pa.Schema, layout: Layout) -> None:
    """Raises `InvalidInput` for columns that no cell could make right, before any cell is decoded."""
    faults = Faults()
    for name in layout.present:
        kind = schema.field(name).type
        if name not in layout.kept and not typed_cells.is_plain(kind):
            fix = "store plain numbers, text or booleans"
            faults.add(InvalidInput, f"the column '{name[:80]}' cannot be read", name[:100], str(kind)[:80], fix)
    faults.check()


def strictly(checked: Checked, number: Numbering = from_one) -> pa.Table:
    """The table. Raises `InvalidInput` for the cells that are of no use."""
    faults = Faults()
    report(checked.misfits, faults, number)
    faults.check()
    return checked.table


def _whole(raw: pa.Table, name: str) -> pa.Array:
    column = raw.column(name).combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _wrong(feature: Feature, column: pa.Array, read: Read, is_text: bool) -> list[Misfit]:
    headline = f"feature '{feature.name}' is not {_NOUNS[feature.type]}"
    found = []
    if read.bad is not None:
        fix = _FIXES[feature.type, is_text]
        found.append(Misfit(feature.name, positions(read.bad), column, InvalidInput, headline, fix))
    if not feature.nullable and read.values.null_count:
        missing = read.values.is_null().to_numpy(zero_copy_only=False)
        if read.bad is not None:
            missing = missing & ~read.bad
        fix = f"send {_NOUNS[feature.type]}; this feature may not be missing"
        found.append(Misfit(feature.name, positions(missing), column, InvalidInput, headline, fix))
    return [one for one in found if len(one.rows)]


def _refuse_type(name: str, column: pa.Array, headline: str, fix: str, faults: Faults, number: Numbering) -> None:
    row = positions(column.is_valid())[:1]
    one = Misfit(name, row, column, InvalidInput, headline, f"{fix}; the column holds {str(column.type)[:80]}")
    report([one], faults, number)
