"""Training sets: labels with the features as they were known at each label's time."""

from __future__ import annotations

import difflib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.keys import shared_codes
from tropism.features.offline.allocating import steady_memory
from tropism.features.offline.columns import fitted, moments
from tropism.features.offline.joining import latest
from tropism.features.offline.refusals import require_columns
from tropism.features.offline.spilling import Scratch, gather, join_in_parts, parts_needed
from tropism.features.sources import DeltaSource, ParquetSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from tropism.features.views import FeatureView, Field

    Read = Callable[[FeatureView, Sequence[str]], pa.Table]

_CODE, _TIME, _CREATED = "code", "time", "created"
_AT_ONCE = 4
"""Columns that are read together: the times are read again with each of them."""


def training_set(
    labels: pa.Table,
    views: Sequence[FeatureView],
    read: Read,
    *,
    at: str,
    names: Sequence[str] | None = None,
    memory: int = 2 * 2**30,
    work: Path | None = None,
) -> pa.Table:
    """The labels with their rows, order and columns as they were, then a column `view.feature` for each feature.

    `at`: the labels' column of times, as for `read_source`. `read`: the rows of a view's source, with the columns
    named, its `timestamp` and its `created`, if any; also called in another thread, though never twice at once.
    `names`: the features wanted, in their order; all without it. `memory`: bytes that the join of one view may take
    beside the source itself; above it, keys are joined in parts, through files in a temporary folder of `work`. A key
    with more rows than fit is joined as a whole.

    A feature is null where no row of the label's key holds at its time, which includes labels without a key. Rows
    without a key or without a time never count; those without a time of creation count as created at their time.

    Raises:
        InvalidInput: there is no such feature, or a label's column has the name of one.
        DataInvalid: a column is missing or of the wrong type, or a value does not fit its feature's type.
        DiskFull, NotWritable: `work` cannot be written.
    """
    wanted = _wanted(views, names)
    _refuse_clashes(labels, wanted)
    times = _label_times(labels, at)
    found: dict[str, pa.ChunkedArray] = {}
    for view in views:
        fields = tuple(field for field in view.fields if f"{view.name}.{field.name}" in wanted)
        if fields:
            narrowed = msgspec.structs.replace(view, fields=fields)
            keys = _label_keys(labels, view, at).append_column(at, times)
            with steady_memory():
                joined = _features(narrowed, view, read, keys, at, (memory, work))
            found.update({f"{view.name}.{name}": joined[name] for name in narrowed.names})
    for name in wanted:
        labels = labels.append_column(name, found[name])
    return labels


def _wanted(views: Sequence[FeatureView], names: Sequence[str] | None) -> list[str]:
    there = [f"{view.name}.{name}" for view in views for name in view.names]
    if names is None:
        return there
    faults = []
    for name in names:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            fix = f"did you mean {near[0]}?" if near else f"use one of: {', '.join(there)[:200]}"
            faults.append(Fault("names", repr(name)[:80], fix))
    if faults:
        raise InvalidInput("there is no such feature", *faults)
    return list(names)


def _refuse_clashes(labels: pa.Table, wanted: Sequence[str]) -> None:
    taken = set(labels.column_names)
    faults = []
    for place, name in enumerate(wanted):
        if name in taken:
            faults.append(Fault("labels", name, "rename or drop the labels' column of that name"))
        elif name in wanted[:place]:
            faults.append(Fault("names", name, "name each feature once, and each view by a name of its own"))
    if faults:
        raise InvalidInput("two columns would have one name", *faults)


def _only(table: pa.Table, column: str, what: str) -> pa.ChunkedArray:
    count = table.column_names.count(column)
    if count == 1:
        return table[column]
    fix = f"name one of: {', '.join(table.column_names)[:200]}" if not count else "rename all of them but one"
    raise DataInvalid(f"{what} cannot be told", Fault(column, "missing" if not count else f"{count} columns", fix))


def _label_times(labels: pa.Table, at: str) -> pa.ChunkedArray:
    times = moments(_only(labels, at, "the labels' time"), at)
    if times.null_count:
        row = pc.index(pc.is_null(times), True).as_py()
        fix = "give each label the time at which its features were to be known, or drop it"
        raise DataInvalid("a label has no time", Fault(at, f"null in row {row}", fix))
    return times


def _label_keys(labels: pa.Table, view: FeatureView, at: str) -> pa.Table:
    if at in view.entity.keys:
        fix = f"give the labels a column of times beside the key of '{view.entity.name}'"
        raise InvalidInput("a key cannot be the time", Fault("at", repr(at)[:80], fix))
    what = f"the key of '{view.entity.name}' in the labels"
    return pa.table({column: _only(labels, column, what) for column in view.entity.keys})


def _features(
    narrowed: FeatureView, view: FeatureView, read: Read, labels: pa.Table, at: str, limits: tuple[int, Path | None]
) -> pa.Table:
    """The columns of one view for each label."""
    if isinstance(view.source, ParquetSource | DeltaSource) and not view.windowed:
        first = _read(view, read, view.entity.keys)
        if parts_needed(first, len(labels), len(narrowed.fields), limits[0]) == 1:
            return _by_columns(narrowed, view, read, first, labels, at)
    columns = [*view.entity.keys, *(field.column for field in narrowed.fields if field.column)]
    rows = _read(view, read, columns)
    return (_windows if view.windowed else _plain)(narrowed, rows, labels, at, limits)


def _by_columns(
    narrowed: FeatureView, view: FeatureView, read: Read, first: pa.Table, labels: pa.Table, at: str
) -> pa.Table:
    """A few columns after the others, where the source reads them apart: never are all of them in memory at once.

    The next ones are read while the rows are joined or values are taken. `first`: the keys and times.
    """
    fields = narrowed.plain
    batches = [fields[start : start + _AT_ONCE] for start in range(0, len(fields), _AT_ONCE)]
    without_created = msgspec.structs.replace(view, source=msgspec.structs.replace(view.source, created=""))

    def columns(batch: Sequence[Field]) -> pa.Table:
        rows = _read(without_created, read, [one.column for one in batch])
        if not rows[view.source.timestamp].equals(first[view.source.timestamp]):
            fault = Fault("source", view.name, "read it again when nothing is written to it")
            raise DataInvalid(f"the source of '{view.name}' was changed while it was read", fault)
        return rows

    def taken(one: Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
        return gather(fitted(column, one.dtype, f"{view.name}.{one.name}"), places, scratch)

    scratch = Scratch()
    found: list[pa.ChunkedArray] = []
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(pa.cpu_count()) as taking:
        coming = reading.submit(columns, batches[0])
        label_codes, row_codes = shared_codes([labels, first], view.entity.keys)
        places = _places(view, _timed(view, first, row_codes), pa.table({_CODE: label_codes, _TIME: labels[at]}))
        for batch, following in zip(batches, [*batches[1:], None], strict=True):
            rows = coming.result()
            if following:
                coming = reading.submit(columns, following)
            found.extend(taking.map(taken, batch, [rows[one.column] for one in batch]))
    return pa.table(found, names=list(narrowed.names))


def _read(view: FeatureView, read: Read, columns: Sequence[str]) -> pa.Table:
    """Columns and times of the view's source."""
    rows = read(view, list(dict.fromkeys(columns)))
    times = [view.source.timestamp, *([view.source.created] if view.source.created else [])]
    require_columns(rows.column_names, [*columns, *times], f"the source of '{view.name}'")
    return rows


def _windows(view: FeatureView, rows: pa.Table, labels: pa.Table, at: str, limits: tuple[int, Path | None]) -> pa.Table:
    from tropism.features.windows import window_values  # imports numerical code that plain views do not need

    def join(rows: pa.Table, labels: pa.Table) -> pa.Table:
        return window_values(view, rows, labels, at)

    memory, work = limits
    parts = parts_needed(rows, len(labels), len(view.fields), memory)
    if parts == 1:
        return join(rows, labels)
    label_codes, row_codes = shared_codes([labels, rows], view.entity.keys)
    return join_in_parts((rows, labels), (row_codes, label_codes), join, parts, work)


def _plain(view: FeatureView, rows: pa.Table, labels: pa.Table, at: str, limits: tuple[int, Path | None]) -> pa.Table:
    label_codes, row_codes = shared_codes([labels, rows], view.entity.keys)
    timed = _timed(view, rows, row_codes)
    for one in view.plain:
        timed = timed.append_column(f".{one.name}", fitted(rows[one.column], one.dtype, f"{view.name}.{one.name}"))
    rows = timed
    labels = pa.table({_CODE: label_codes, _TIME: labels[at]})

    def join(rows: pa.Table, labels: pa.Table) -> pa.Table:
        return _joined(view, rows, labels)

    memory, work = limits
    parts = parts_needed(rows, len(labels), len(view.fields), memory)
    if parts == 1:
        return join(rows, labels)
    return join_in_parts((rows, labels), (row_codes, label_codes), join, parts, work)


def _timed(view: FeatureView, rows: pa.Table, codes: npt.NDArray[np.int64]) -> pa.Table:
    """Code, time and, where the source has it, time of creation of each row."""
    times = moments(rows[view.source.timestamp], view.source.timestamp)
    columns = {_CODE: pa.chunked_array([codes]), _TIME: times}
    if view.source.created:
        created = moments(rows[view.source.created], view.source.created)
        columns[_CREATED] = pc.coalesce(created, times) if created.null_count else created
    return pa.table(columns)


def _joined(view: FeatureView, rows: pa.Table, labels: pa.Table) -> pa.Table:
    places = _places(view, rows, labels)
    return pa.table({name: gather(rows[f".{name}"], places) for name in view.names})


def _places(view: FeatureView, rows: pa.Table, labels: pa.Table) -> pa.Array:
    """The row that holds for each label, null where none does."""
    codes = _ints(rows[_CODE])
    times = _ints(rows[_TIME])
    if rows[_TIME].null_count:
        codes = np.where(rows[_TIME].is_null().to_numpy(), -1, codes)
    created = _ints(rows[_CREATED]) if _CREATED in rows.column_names else None
    arrival = view.known == "arrival"
    found = latest(_ints(labels[_CODE]), _ints(labels[_TIME]), codes, times, created, arrival, view.lifetime)
    return pa.array(found, mask=found < 0)


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    numbers = column.cast(pa.int64())
    return np.asarray(numbers.fill_null(0) if numbers.null_count else numbers, np.int64)
