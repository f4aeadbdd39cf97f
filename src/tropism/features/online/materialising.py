"""Writes the newest row of each entity of a table to an online store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.keys import key_texts, shared_codes
from tropism.features.online.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tropism.features.online.reader import OnlineView
    from tropism.features.online.store import OnlineStore

    Times = npt.NDArray[np.int64]

_BATCH = 10_000


def materialise(
    store: OnlineStore,
    view: OnlineView,
    table: pa.Table,
    keys: Sequence[str],
    *,
    timestamp: str,
    created: str | None = None,
    columns: Sequence[str] | None = None,
    now: int | None = None,
) -> int:
    """Writes the newest row of each key, newest by event time, created time and position in the table.

    `keys`: the entity's key columns; a row without a key is left out. `timestamp`, `created`: the columns of the two
    times (timestamp[us, UTC]); without the second one a row was created when it became true. `columns`: of the
    features, in the view's order; the view's names if not given. `now`: µs; rows that are not yet true or not yet
    known then are left out.

    Returns:
        How many rows the store took; it refuses those that are older than what it has.

    Raises:
        DataInvalid: a column is not there, does not fit its feature, or a row has no event time.
        NotReady, DiskFull: from the store. What was written stays; running it again writes the rest.
    """
    columns = view.names if columns is None else columns
    _checked(table, [*columns, timestamp])
    events = _times(table, timestamp)
    made = _times(table, created, events) if created else events
    newest = _newest(table, keys, events, made, now)
    texts = key_texts(table, keys).take(newest).combine_chunks()
    # Sorted, so that one batch changes few pages of a tree.
    order = pc.sort_indices(texts)
    chosen = newest[order.to_numpy()]
    texts, values = texts.take(order), table.select(list(columns)).take(chosen)
    packing, taken = Packing(view.dtypes), 0
    for start in range(0, len(chosen), _BATCH):
        some = chosen[start : start + _BATCH]
        rows = packing.pack_table(values.slice(start, _BATCH), events[some], made[some])
        taken += store.write(view.stored, texts.slice(start, _BATCH).to_pylist(), rows, view.ttl)
    return taken


def _newest(table: pa.Table, keys: Sequence[str], events: Times, made: Times, now: int | None) -> Times:
    """The positions of the rows to write."""
    (codes,) = shared_codes([table], keys)
    usable = codes >= 0
    if now is not None:
        usable &= np.maximum(events, made) <= now
    order = np.flatnonzero(usable)
    order = order[np.lexsort((made[order], events[order], codes[order]))]
    last = np.ones(len(order), np.bool_)
    last[:-1] = codes[order][1:] != codes[order][:-1]
    found: Times = order[last]
    return found


def _checked(table: pa.Table, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        fix = f"name one of: {', '.join(table.column_names)[:200]}"
        raise DataInvalid("the data lacks a column", *(Fault(column, "missing", fix) for column in missing))


def _times(table: pa.Table, name: str, otherwise: Times | None = None) -> Times:
    """A column of times in µs. `otherwise`: what stands for those that are missing."""
    _checked(table, [name])
    column = table[name]
    if not pa.types.is_timestamp(column.type):
        raise DataInvalid("a column of times has none", Fault(name, str(column.type), "make it timestamp[us, UTC]"))
    whole = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).combine_chunks()
    if whole.null_count and otherwise is None:
        fault = Fault(name, f"{whole.null_count} rows without a time", "fill them, or leave out these rows")
        raise DataInvalid("rows have no event time", fault)
    if whole.null_count:
        whole = pc.if_else(whole.is_valid(), whole, pa.array(otherwise))
    found: Times = whole.to_numpy(zero_copy_only=False)
    return found
