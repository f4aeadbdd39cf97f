"""Fills the online store from sources that lie somewhere: files, tables, databases."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import Fault, InvalidInput, NotReady
from tropism.features.keys import shared_codes
from tropism.features.offline.columns import MOMENT, fitted, moments
from tropism.features.online.marks import begin, lost, mark
from tropism.features.online.materialising import materialise
from tropism.features.online.reader import OnlineView
from tropism.features.windows import window_values

if TYPE_CHECKING:
    from tropism.features.online.store import OnlineStore
    from tropism.features.sources import Source
    from tropism.features.store.definitions import StoredView
    from tropism.features.store.sources import Sources

_AT = "at"


class Materialised(NamedTuple):
    """`rows` read from the source, `written` rows that the online store took."""

    rows: int
    written: int


def materialise_view(one: StoredView, sources: Sources, online: OnlineStore, now: int) -> Materialised:
    """Writes what is true and known at `now` (µs) for each entity: its newest row, or its windows as they are then.

    Running it again, after a failure or not, writes what is missing; nothing older replaces anything newer.

    Raises:
        InvalidInput: the view is fed by a stream.
        DataInvalid: the source, or a value in it, is not as declared, or breaks a rule of policy `stop`.
        NotReady, DiskFull: the source or the store.
    """
    if one.view.streamed:
        fix = "push events to it, or bring its history in: tropism features backfill"
        raise InvalidInput(f"'{one.view.name}' is fed by a stream", Fault("view", one.view.name, fix))
    view, source = OnlineView.of(one.view, one.stored, one.dtypes), one.view.source
    rows = sources.read(one.view, one.view.columns)
    if one.view.windowed:
        table, columns, timestamp, created = _windows(one, rows, now), list(one.view.names), _AT, None
    else:
        table, columns, timestamp = (
            _typed(one, rows),
            [f"{one.view.name}.{name}" for name in one.view.names],
            source.timestamp,
        )
        created = source.created or None
    keys = one.view.entity.keys
    begin(online, one.stored, now)
    written = materialise(online, view, table, keys, timestamp=timestamp, created=created, columns=columns, now=now)
    if lost(online, one.stored, now):
        fix = "nothing: it is filled again, now or after features.retry"
        raise NotReady(f"the online store was emptied while '{one.stored}' was written", Fault("view", one.stored, fix))
    mark(online, one.stored, now)
    return Materialised(rows.num_rows, written)


def _typed(one: StoredView, rows: pa.Table) -> pa.Table:
    """Keys and times as they are, and a column `view.feature` for each feature: two may be of one column."""
    source = one.view.source
    table = rows.select(list(dict.fromkeys([*one.view.entity.keys, *_times(source)])))
    for field in one.view.plain:
        name = f"{one.view.name}.{field.name}"
        table = table.append_column(name, fitted(rows[field.column], field.dtype, name))
    return table.filter(table[source.timestamp].is_valid())


def _times(source: Source) -> list[str]:
    return [name for name in (source.timestamp, source.created) if name]


def _windows(one: StoredView, rows: pa.Table, now: int) -> pa.Table:
    """The windows of every entity of which something is known, as of now."""
    keys, source = one.view.entity.keys, one.view.source
    known = pa.scalar(now, pa.int64()).cast(MOMENT)
    before = [
        pc.fill_null(pc.less_equal(moments(rows[name], name), known), name != source.timestamp)
        for name in _times(source)
    ]
    rows = rows.filter(reduce(pc.and_, before))
    (codes,) = shared_codes([rows], keys)
    unique, firsts = np.unique(codes, return_index=True)
    labels = rows.select(list(keys)).take(pa.array(firsts[unique >= 0]))
    at = pa.array([now] * labels.num_rows, MOMENT)
    values = window_values(one.view, rows, labels.append_column(_AT, at), _AT)
    table = labels.append_column(_AT, at)
    for name, kind in zip(one.view.names, one.dtypes, strict=True):
        table = table.append_column(name, fitted(values[name], kind, f"{one.view.name}.{name}"))
    return table
