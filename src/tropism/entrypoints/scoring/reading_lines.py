"""The rows of a part that came as lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from tropism.core.errors import InputError, InvalidInput
from tropism.core.faults import Faults, shown
from tropism.entrypoints.scoring.rows import Rows, refused_line
from tropism.serving.tabular.json_lines import LineReader, as_table, elements, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tropism.entrypoints.scoring.parts import Part
    from tropism.entrypoints.scoring.plan import Plan
    from tropism.serving.tabular.json_lines import Line

_encode = msgspec.json.Encoder().encode


def read_lines(plan: Plan, part: Part) -> Rows:
    """The rows of a part.

    Raises:
        InvalidInput: rows cannot be used, and the plan does not skip such rows; names them.
        MalformedBody: a line is not JSON.
    """
    lines = split(bytes(part.data))
    reader = LineReader(plan.task, plan.latest, plan.layout.kept, plan.ignored)
    if not plan.skip_bad:
        faults = Faults()
        found = [
            _read(reader, element, number, plan, faults)
            for number, element in enumerate(elements(lines, part.first), start=part.first)
        ]
        faults.check()
        return _rows(found, part.numbers.tolist(), plan, [])
    good: list[Line] = []
    numbers: list[int] = []
    refused: list[bytes] = []
    for number, line in enumerate(lines, start=part.first):
        faults = Faults()
        try:
            (element,) = elements([line], number)
            read = _read(reader, element, number, plan, faults)
            faults.check()
        except InputError as error:
            refused.append(refused_line(number, error, line.decode("utf-8", "replace")))
        else:
            good.append(read)
            numbers.append(number)
    return _rows(good, numbers, plan, refused)


def _read(reader: LineReader, element: Any, number: int, plan: Plan, faults: Faults) -> Line:
    """A row. The result's columns are settled by the first rows of the file; a later one must not lose anything."""
    line = reader.read(element, f"row {number}, ", faults)
    for name, value in line.carried.items():
        if value is not None and name not in plan.layout.carried:
            headline = f"row {number} has '{name}', which no row at the beginning has"
            fix = f"give the first row a '{name}' too; it may be null"
            faults.add(InvalidInput, headline, f"row {number}, {name}", shown(value), fix)
    return line


def _rows(found: Sequence[Line], numbers: Sequence[int], plan: Plan, refused: Sequence[bytes]) -> Rows:
    table = as_table(found, plan.task, plan.layout.carried)
    beside = table.select(plan.layout.carried)
    for name in plan.layout.kept:
        beside = beside.append_column(name, pa.array(list(_texts(found, name)), pa.string()))
    return Rows(table, beside, np.array(numbers, np.int64), b"".join(refused), len(refused))


def _texts(found: Sequence[Line], name: str) -> Iterator[str | None]:
    for line in found:
        value = line.kept.get(name)
        yield value if value is None or isinstance(value, str) else _encode(value).decode()
