"""Events of a stream as rows of its table in the lake."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from tropism.core.errors import DataInvalid, Fault
from tropism.features.types import dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tropism.core.events import Push
    from tropism.features.sources import StreamSource

PREFIX = "c_"
"""Before the name of a stream's column, so that it cannot be one of the table's own."""

Placed = tuple["Push", str, int, int]
"""A push, the journal's writer, the record's number, and the place of the push's first row within the record."""


def lake_schema(source: StreamSource, columns: Sequence[str] | None = None) -> pa.Schema:
    """The columns of a stream's table: `at` (when the platform took the row in), `writer`, `seq` and `row` (where it is
    in the journal), and one for each of the stream's, the arrival among them. `columns`: these of the stream only.

    Vectors are lists there: Delta has none of a fixed length.

    >>> from tropism.features import StreamSource
    >>> lake_schema(StreamSource("clicks", timestamp="when", schema={"user": str})).names
    ['at', 'writer', 'seq', 'row', 'c_user', 'c_when', 'c_arrived_at']
    """
    import pyarrow as pa

    own = [("at", _moments()), ("writer", pa.string()), ("seq", pa.int64()), ("row", pa.int64())]
    kinds = [(name, dtype(source.schema[name])) for name in (source.schema if columns is None else columns)]
    lists = pa.list_(pa.float32())
    return pa.schema(
        [*own, *((PREFIX + name, lists if kind.kind == "vector" else kind.arrow()) for name, kind in kinds)]
    )


def events_table(source: StreamSource, pushes: Sequence[Placed], stamp: int) -> pa.Table:
    """The events of pushes as rows of the stream's table, in their order. `stamp`: when they are taken in, in µs.

    Columns that the stream did not have yet when a push came are null there; those that it has no more are left out.

    Raises:
        DataInvalid: a value is not of the type that its column has now; names the column.
    """
    import pyarrow as pa

    schema = lake_schema(source)
    count = sum(len(push.rows) for push, *_ in pushes)
    columns: dict[str, Any] = {
        "at": repeat(stamp, count),
        "writer": (writer for push, writer, *_ in pushes for _ in push.rows),
        "seq": (seq for push, _, seq, _ in pushes for _ in push.rows),
        "row": (first + place for push, *_, first in pushes for place in range(len(push.rows))),
    }
    for name in source.schema:
        columns[PREFIX + name] = repeat(stamp, count) if name == source.created else _values(pushes, name)
    arrays = [_array(source, field, list(columns[field.name])) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _values(pushes: Sequence[Placed], name: str) -> list[Any]:
    values: list[Any] = []
    for push, *_ in pushes:
        if name in push.names:
            place = push.names.index(name)
            values += [row[place] for row in push.rows]
        else:
            values += [None] * len(push.rows)
    return values


def _array(source: StreamSource, field: pa.Field, values: list[Any]) -> pa.Array | pa.ChunkedArray:
    import pyarrow as pa

    sent: dict[Any, pa.DataType] = {_moments(): pa.int64()}
    through = pa.string() if pa.types.is_decimal(field.type) else sent.get(field.type, field.type)
    try:
        return pa.array(values, through).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        column = field.name.removeprefix(PREFIX)
        fix = f"give the column of '{source.name}' the type back that it had when these events came"
        value = f"not all are {source.schema.get(column, field.type)}"
        raise DataInvalid(f"events in the journal do not fit '{column}': {error}", Fault(column, value, fix)) from error


def _moments() -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", "UTC")
