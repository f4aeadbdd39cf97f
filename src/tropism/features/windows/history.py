"""Events and labels as arrays: sorted by key and time, in slices that fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.keys import shared_codes
from tropism.features.sources import StreamSource
from tropism.features.types import Dtype, dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tropism.features.views import FeatureView

    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_SLICE = 1 << 18
_NEVER = np.iinfo(np.int64).min
_NONE = np.zeros(0, np.int64)


class Column(NamedTuple):
    """A column of the events in their order. `array`: of the type's Arrow type, NaN is null and -0.0 is 0.0."""

    kind: Dtype
    array: pa.Array
    valid: Flags


class Slice(NamedTuple):
    """All events and labels of some keys, each sorted by (key, time), times in µs.

    `codes`, `times`, `until`: of the events, shape (n,); an event counts for labels after `until`. `label_codes`,
    `label_times`: shape (m,). `columns`: by name. `rows`: the places of the labels in their table. `arrivals`, shape
    (n,), and `reach`, shape (m,): an event counts for labels whose reach is not before its arrival; or empty.
    """

    codes: Ints
    times: Ints
    until: Ints
    columns: dict[str, Column]
    label_codes: Ints
    label_times: Ints
    rows: Ints
    arrivals: Ints
    reach: Ints


def slices(view: FeatureView, events: pa.Table, labels: pa.Table, at: str, known: str | None = None) -> Iterator[Slice]:
    """Slices that hold all labels together, in no order that matters. `known`: the column of what becomes `reach`.

    Raises:
        DataInvalid: a column is not there or of a wrong type, or a label has no time.
    """
    times = _moments(events, view.source.timestamp)
    label_times = _moments(labels, at)
    if label_times.null_count:
        raise DataInvalid("a label has no time", Fault(at, "null", "leave these rows out"))
    codes, label_codes = shared_codes([events, labels], view.entity.keys)
    kept = np.flatnonzero((codes >= 0) & times.is_valid().to_numpy(zero_copy_only=False))
    moments = times.fill_null(0).to_numpy()[kept]
    arrivals = _arrivals(view, events, needed=known is not None)[kept]
    complete = np.maximum(moments, arrivals)
    codes = codes[kept]
    order = np.lexsort((complete, moments, codes))
    taken = pa.array(kept[order])
    columns = {name: column(view, events, name, taken) for name in sorted({a.column for a in view.aggregations} - {""})}
    until = complete[order] if view.known == "arrival" else np.full(len(order), _NEVER)
    stamps = label_times.to_numpy()
    rows = np.lexsort((stamps, label_codes))
    arrived, reach = (arrivals[order], _reach(labels, known)[rows]) if known is not None else (_NONE, _NONE)
    whole = Slice(codes[order], moments[order], until, columns, label_codes[rows], stamps[rows], rows, arrived, reach)
    yield from _cut(whole)


def _cut(whole: Slice) -> Iterator[Slice]:
    """At the borders between keys, about `_SLICE` events or labels each."""
    start = label_start = 0
    while label_start < len(whole.rows):
        key = min(_code(whole.codes, start + _SLICE), _code(whole.label_codes, label_start + _SLICE))
        first = min(_code(whole.codes, start), _code(whole.label_codes, label_start))
        key = max(key, first + 1)
        end, label_end = (int(np.searchsorted(codes, key)) for codes in (whole.codes, whole.label_codes))
        here, labels = slice(start, end), slice(label_start, label_end)
        columns = {
            name: Column(kind, array.slice(start, end - start), valid[here])
            for name, (kind, array, valid) in whole.columns.items()
        }
        yield Slice(
            whole.codes[here],
            whole.times[here],
            whole.until[here],
            columns,
            whole.label_codes[labels],
            whole.label_times[labels],
            whole.rows[labels],
            whole.arrivals[here],
            whole.reach[labels],
        )
        start, label_start = end, label_end


def _code(codes: Ints, place: int) -> int:
    return int(codes[place]) if place < len(codes) else int(np.iinfo(np.int64).max)


def _found(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        fix = f"name one of: {', '.join(table.column_names)[:200]}"
        raise DataInvalid("the data has no such column", Fault(name, "missing", fix))
    return table[name]


def _moments(table: pa.Table, name: str) -> pa.Array:
    found = _found(table, name)
    if not (pa.types.is_timestamp(found.type) or pa.types.is_null(found.type)):
        raise DataInvalid("a time is not one", Fault(name, str(found.type), "cast the column to a timestamp in UTC"))
    return found.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).combine_chunks()


def _arrivals(view: FeatureView, events: pa.Table, *, needed: bool) -> Ints:
    if not view.source.created or view.source.created not in events.column_names:
        if needed:
            fix = "give the events the source's column with the time of their arrival"
            raise DataInvalid("the events do not say when they arrived", Fault("created", view.source.created, fix))
        return np.full(len(events), _NEVER)
    arrivals: Ints = _moments(events, view.source.created).fill_null(_NEVER).to_numpy()
    return arrivals


def _reach(labels: pa.Table, known: str) -> Ints:
    found = _found(labels, known)
    moments = found.combine_chunks() if found.type == pa.int64() else _moments(labels, known)
    if moments.null_count:
        raise DataInvalid(
            "a label does not say what was known", Fault(known, "null", "give it a time, or 0 for nothing")
        )
    reach: Ints = moments.to_numpy()
    return reach


def column_kind(view: FeatureView, name: str, found: Any) -> Dtype:
    """The type of a column: a stream declares it, else it is that of the data.

    Raises:
        DataInvalid: values of this Arrow type cannot be aggregated.
    """
    if isinstance(view.source, StreamSource):
        return dtype(view.source.schema[name])
    is_ = pa.types
    if is_.is_dictionary(found):
        found = found.value_type
    if is_.is_decimal(found) and 0 <= found.scale <= 18:
        return Dtype("decimal", scale=found.scale)
    if is_.is_fixed_size_list(found) and is_.is_floating(found.value_type):
        return Dtype("vector", size=found.list_size)
    kinds = (
        ("number", is_.is_floating(found) or is_.is_null(found)),
        ("integer", is_.is_integer(found)),
        ("text", is_.is_string(found) or is_.is_large_string(found) or is_.is_string_view(found)),
        ("boolean", is_.is_boolean(found)),
        ("time", is_.is_timestamp(found)),
    )
    for kind, fits in kinds:
        if fits:
            return Dtype(kind)
    fix = "cast it to a number, a whole number, a decimal of up to 18 places, text, truth or time"
    raise DataInvalid("a column cannot be aggregated", Fault(name, str(found)[:80], fix))


def column(view: FeatureView, events: pa.Table, name: str, rows: pa.Array | None = None) -> Column:
    """A column of some rows of the events. Raises `DataInvalid` if it is missing or does not fit its type."""
    found = _found(events, name)
    kind = column_kind(view, name, found.type)
    try:
        array = found.cast(kind.arrow(), safe=kind.kind != "time").combine_chunks()
    except pa.ArrowInvalid as error:
        fault = Fault(
            name, str(error).partition("\n")[0][:80], f"mend the rows, or declare another type than {kind.kind}"
        )
        raise DataInvalid("a column does not fit its type", fault) from error
    except pa.ArrowNotImplementedError as error:
        raise DataInvalid("a column does not fit its type", Fault(name, str(found.type), kind.kind)) from error
    if rows is not None:
        array = array.take(rows)
    if kind.kind == "number":
        array = pc.add(pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array), 0.0)
    return Column(kind, array, array.is_valid().to_numpy(zero_copy_only=False))
