"""Views as they were for entities that were read: at a moment, of what the store had taken in."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import TropismError, UnknownFeature
from tropism.features.keys import shared_codes
from tropism.features.offline.columns import fitted
from tropism.features.offline.training_set import training_set
from tropism.features.sources import StreamSource
from tropism.features.store.following import known_when_taken_in
from tropism.features.store.reading import counted, in_windows
from tropism.features.store.streams import MOMENT, stamps_of, stream_rows
from tropism.features.views import Field
from tropism.features.windows import window_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from tropism.core.events import Served
    from tropism.features.store.definitions import Definitions, StoredView
    from tropism.features.store.sources import Sources
    from tropism.features.views import FeatureView
    from tropism.storage.lake import Lake

    Ints = npt.NDArray[np.int64]

_AT, _KNOWN = "served_at", "served_known"


class Restored(NamedTuple):
    """A view's features by name, a value for each read of it; `places`: of what was served among the reads."""

    columns: dict[str, list[Any]]
    places: dict[int, int]


def restored(
    served: Sequence[Served], definitions: Definitions, sources: Callable[[], Sources], lake: Lake
) -> Mapping[str, Restored | TropismError]:
    """Each stored view that was read, or why it cannot be computed again."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(served):
        for stored in one.known:
            places[stored].append(place)
    found: dict[str, Restored | TropismError] = {}
    for stored, mine in places.items():
        view = definitions.versions.get(stored)
        if view is None:
            found[stored] = UnknownFeature(f"there is no definition of '{stored}' any more")
            continue
        try:
            table = _view(view, _labels(view, [served[place] for place in mine]), sources, lake)
        except TropismError as error:
            found[stored] = error
            continue
        columns = {name: table[name].to_pylist() for name in view.view.names}
        found[stored] = Restored(columns, {place: index for index, place in enumerate(mine)})
    return found


def _labels(one: StoredView, served: Sequence[Served]) -> pa.Table:
    keys = {key: pa.array([each.keys.get(key) for each in served], pa.string()) for key in one.view.entity.keys}
    at = pa.array([each.at for each in served], MOMENT)
    return pa.table({**keys, _AT: at, _KNOWN: pa.array([each.known[one.stored] for each in served], MOMENT)})


def _view(one: StoredView, labels: pa.Table, sources: Callable[[], Sources], lake: Lake) -> pa.Table:
    if in_windows(one):
        return _stream_windows(one.view, labels, lake)
    if one.view.windowed:
        return _file_windows(one.view, labels, sources())
    if one.view.streamed:
        return _stream_rows(one, labels, lake)
    return _file_rows(one.view, labels, sources())


def _stream_windows(view: FeatureView, labels: pa.Table, lake: Lake) -> pa.Table:
    """Of the events that were taken in by then."""
    source = view.source
    assert isinstance(source, StreamSource)
    events = known_when_taken_in(stream_rows(lake, source, view.columns), source.created)
    return window_values(view, events, labels, _AT, known=_KNOWN)


def _file_windows(view: FeatureView, labels: pa.Table, sources: Sources) -> pa.Table:
    """As of when they were filled, for as long as they held."""
    known = _KNOWN if view.source.created else None
    found = window_values(view, sources.read(view, view.columns), labels, _KNOWN, known=known)
    reads = zip(_ints(labels[_KNOWN]).tolist(), _ints(labels[_AT]).tolist(), strict=True)
    return _where(found, np.array([counted(view, upto, at) for upto, at in reads], np.bool_))


def _stream_rows(one: StoredView, labels: pa.Table, lake: Lake) -> pa.Table:
    """The newest of the key's events that were taken in by then: by time, moment of being taken in, place."""
    view, source = one.view, one.view.source
    assert isinstance(source, StreamSource)
    rows = stream_rows(lake, source, view.columns)
    events, stamps = known_when_taken_in(rows, source.created), stamps_of(rows)
    label_codes, codes = shared_codes([labels, events], view.entity.keys)
    times = _ints(events[source.timestamp])
    order = np.lexsort((stamps, times, codes))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    # Ranks have the code first, so that their running maximum does not cross from key to key.
    taken = np.lexsort((stamps, codes))
    newest = order[np.maximum.accumulate(ranks[taken])]
    steps = np.unique(stamps)
    span = len(steps) + 1
    have = codes[taken] * span + np.searchsorted(steps, stamps[taken], side="right")
    wanted = label_codes * span + np.searchsorted(steps, _ints(labels[_KNOWN]), side="right")
    place = np.searchsorted(have, wanted, side="right") - 1
    there = (place >= 0) & (label_codes >= 0)
    chosen = newest[place[there]]
    there[there] = codes[chosen] == label_codes[there]
    found = np.full(len(labels), -1, np.int64)
    found[there] = newest[place[there]]
    picked = pa.array(found, mask=found < 0)
    names = {field.name: fitted(events[field.column], field.dtype, field.name) for field in view.plain}
    table = pa.table({name: column.take(picked) for name, column in names.items()})
    since = np.where(found < 0, 0, times[found]) if len(times) else np.zeros(len(found), np.int64)
    return _while_true(view, table, since, labels)


def _file_rows(view: FeatureView, labels: pa.Table, sources: Sources) -> pa.Table:
    """The row that was newest when the view was filled, whatever the view says of late rows."""
    since = "since"
    while since in view.names:
        since += "_"
    fields = (*view.plain, Field(since, "time", column=view.source.timestamp))
    lasting = msgspec.structs.replace(view, fields=fields, ttl=None, known="arrival")
    found = training_set(labels, [lasting], sources.read, at=_KNOWN)
    table = pa.table({name: found[f"{view.name}.{name}"] for name in view.names})
    filled = _where(table, _ints(labels[_KNOWN]) > 0)
    return _while_true(view, filled, _ints(found[f"{view.name}.{since}"]), labels)


def _while_true(view: FeatureView, found: pa.Table, since: Ints, labels: pa.Table) -> pa.Table:
    """Null where the row was not true yet, or too old, when it was served."""
    age = _ints(labels[_AT]) - since
    good = age >= 0
    if view.lifetime is not None:
        good &= age < view.lifetime
    return _where(found, good)


def _where(found: pa.Table, good: npt.NDArray[np.bool_]) -> pa.Table:
    places = pa.array(np.arange(len(good)), mask=~good)
    return found.take(places)


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), 0), np.int64)
