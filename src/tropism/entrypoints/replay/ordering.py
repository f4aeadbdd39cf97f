"""In which order the events happened, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND, iso
from tropism.core.errors import Fault
from tropism.entrypoints.replay import cells, moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.entrypoints.replay.source import Source

START = 946_684_800 * SECOND
"""2000-01-01T00:00:00Z: where file order begins, one second apart."""
_EARLIEST, _LATEST = -11_676_096_000 * SECOND, 13_569_465_600 * SECOND
_FORMS = "write it as 2024-01-31 or 2024-01-31T13:45:00Z, or as epoch seconds"


class Order(NamedTuple):
    """`at`: µs, never decreasing. `rows`: the file's row (counted from 0) of each event."""

    at: NDArray[np.int64]
    rows: NDArray[np.int64]
    notes: tuple[str, ...]


def order_events(source: Source, time: str | None, limit: int | None = None) -> Order:
    """The file's rows by time, equal times in file order; the first `limit` of them.

    Raises:
        DataInvalid: a cell of the time column is not a time, naming the first; or all times are the same.
    """
    count = source.columns.num_rows
    if time is None:
        rows = np.arange(count if limit is None else min(limit, count), dtype=np.int64)
        note = "time: file order, one event a second; name a column with --time to use its times"
        return Order(START + rows * SECOND, rows, (note,))
    read = _moments(source, time)
    notes = []
    earlier = int(np.count_nonzero(np.diff(read.at) < 0))
    if earlier:
        verb = "row comes" if earlier == 1 else "rows come"
        notes.append(f'time: {earlier:,} {verb} earlier than the row above; the events were sorted by "{time}"')
    rows = np.argsort(read.at, kind="stable").astype(np.int64)[:limit]
    at = read.at[rows]
    if len(at) > 1 and at[0] == at[-1]:
        fix = "name a column that changes, or leave --time out to use file order"
        raise source.refusal("every event has the same time", Fault("--time", f"{time!r}: {iso(int(at[0]))}", fix))
    repeated = int(np.count_nonzero(np.diff(at) == 0))
    if repeated:
        notes.append(f"time: {repeated:,} events have the same time as the one before; all were kept, in file order")
    return Order(at, rows, (_span(time, read, at), *notes))


def _span(time: str, read: moments.Moments, at: NDArray[np.int64]) -> str:
    form = "" if read.form == "timestamps" else f", read as {read.form}"
    if read.ambiguous:
        form += " (day and month could be the other way round; write dates as year-month-day to be sure)"
    span = f", from {iso(int(at[0]))} to {iso(int(at[-1]))}" if len(at) else ""
    return f'time: "{time}"{form}{span}'


def _moments(source: Source, time: str) -> moments.Moments:
    column = source.columns.column(time)
    read = _parsed(source, time, column)
    bad = np.flatnonzero(~read.valid | (read.at < _EARLIEST) | (read.at > _LATEST))
    if not len(bad):
        return read
    row = int(bad[0])
    if not read.form:
        fix = "name a column with dates or epoch seconds, or leave --time out to use file order"
        raise source.bad_cell(time, row, column[row].as_py(), "is not a time", fix)
    more = f"; {len(bad):,} of {len(column):,} rows are like this" if len(bad) > 1 else ""
    raise source.bad_cell(time, row, column[row].as_py(), f"is not a time{more}", f"{_FORMS}, or remove the row")


def _parsed(source: Source, time: str, column: pa.ChunkedArray) -> moments.Moments:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return moments.from_timestamps(column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return moments.parse_numbers(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = cells.clean(pc.cast(column, pa.string()))
        numbers = cells.numbers(text)
        mostly = numbers.null_count < 0.5 * len(numbers)
        return moments.parse_numbers(numbers) if mostly else moments.parse_text(text)
    fix = "name a column with dates, or leave --time out to use file order"
    raise source.refusal("the time column cannot be used", Fault("--time", f"{time!r} of type {kind}", fix))
