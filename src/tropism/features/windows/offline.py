"""Aggregates over windows of a history, for each label at its time.

Sums are differences of exact prefix sums (`limbs`), less the events that were not known in time; the other functions go
over the events of each window in chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.features.windows.history import column, slices
from tropism.features.windows.limbs import joined, planes
from tropism.features.windows.rounding import deviation
from tropism.features.windows.sketch import estimate, hashed, sketched
from tropism.features.windows.states import EXACT, far_value
from tropism.features.windows.values import canonical, inner, outer, rounded, unit, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tropism.features.aggregations import Aggregation
    from tropism.features.types import Dtype
    from tropism.features.views import FeatureView
    from tropism.features.windows.history import Column, Slice

    Flags = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

_PAIRS = 1 << 22
_PLACES = 1 << 62


def window_values(
    view: FeatureView, events: pa.Table, labels: pa.Table, at: str, *, known: str | None = None
) -> pa.Table:
    """The view's features for each label at its time, to the last bit those that a `WindowStore` gives.

    `events`: the entity's keys, the source's timestamp (and created, if it has one; null is known at once) and the
    columns aggregated. `labels`: the entity's keys and `at`, a timestamp; shape (m,). Rows of events without a key or
    time are passed over; a label without a key has no events. Returns a column per aggregation, by its name, and a
    row per label in order.

    `known` names a column of the labels, timestamps or µs, such as the `known` of `WindowStore.read`: only events whose
    created is at or before it count for the label. So what was served is computed again, however late the store was.
    Events equal in timestamp and created must stand in the order in which they were applied.

    Raises:
        DataInvalid: a column is missing or of a wrong type, a label has no time, or a sum has too many digits.
    """
    parts: dict[str, list[pa.Array]] = {name: [] for name in view.names}
    rows = [np.zeros(0, np.int64)]
    for piece in slices(view, events, labels, at, known):
        rows.append(piece.rows)
        spans: dict[tuple[int, int], _Span] = {}
        for aggregation in view.aggregations:
            key = (aggregation.length, aggregation.step)
            if key not in spans:
                spans[key] = _Span(piece, *key)
            parts[aggregation.name].append(_aggregate(spans[key], aggregation))
    order = np.concatenate(rows)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    columns = {}
    for aggregation in view.aggregations:
        kind = column(view, events.slice(0, 0), aggregation.column).kind if aggregation.column else None
        result = aggregation.result(kind).arrow()
        columns[aggregation.name] = (
            pa.chunked_array(parts[aggregation.name], result).combine_chunks().take(pa.array(back))
        )
    return pa.table(columns)


class _Pairs(NamedTuple):
    """Labels and events that meet: indices, shape (k,), sorted by label unless they are of late events."""

    labels: Ints
    events: Ints


class _Span:
    """One length of window over a slice: the events of a label are those of [low, high) that were known in time."""

    def __init__(self, piece: Slice, length: int, step: int) -> None:
        self.piece = piece
        begins = (piece.label_times - length) // step * step
        self.low = _first(piece.codes, piece.times, piece.label_codes, begins)
        self.high = _first(piece.codes, piece.times, piece.label_codes, piece.label_times)
        self._late = self._late_spans(length, step)

    def _late_spans(self, length: int, step: int) -> tuple[Ints, Ints]:
        """For each event, labels [a, b) in whose windows it is, those among them for which it was not known yet."""
        piece = self.piece

        def after(moments: Ints) -> Ints:
            return _first(piece.label_codes, piece.label_times, piece.codes, np.maximum(moments, piece.times) + 1)

        last = (piece.times // step + 1) * step + length - 1
        a, b = after(piece.times), after(np.minimum(piece.until, last))
        if len(piece.reach):
            reached = _first(piece.label_codes, _least_to_come(piece), piece.codes, piece.arrivals)
            b = np.maximum(b, np.minimum(after(last), reached))
        return a, b

    def late(self) -> Iterator[_Pairs]:
        a, b = self._late
        events = np.flatnonzero(b > a)
        for pairs in _expanded(a[events], b[events]):
            found = _Pairs(pairs.events, events[pairs.labels])
            if len(self.piece.reach):
                late = ~self.known(found)
                found = _Pairs(found.labels[late], found.events[late])
            yield found

    def known(self, pairs: _Pairs) -> Flags:
        """Whether the event was known for the label, shape (k,)."""
        piece = self.piece
        known = piece.until[pairs.events] < piece.label_times[pairs.labels]
        if len(piece.reach):
            known &= piece.arrivals[pairs.events] <= piece.reach[pairs.labels]
        return known

    def total(self, values: Ints) -> Ints:
        """Sums of values of the events (n,) for each label (m,)."""
        sums = np.concatenate([[0], np.cumsum(values)])
        totals: Ints = sums[self.high] - sums[self.low]
        for pairs in self.late():
            np.subtract.at(totals, pairs.labels, values[pairs.events])
        return totals

    def pairs(self, valid: Flags) -> Iterator[_Pairs]:
        """All labels with the events of their windows, known and valid."""
        for pairs in _expanded(self.low, self.high):
            kept = self.known(pairs) & valid[pairs.events]
            yield _Pairs(pairs.labels[kept], pairs.events[kept])


def _least_to_come(piece: Slice) -> Ints:
    """The least reach of each label and those of its key after it, shape (m,): sorted within a key."""
    steps = _unique(piece.reach)
    base = (piece.label_codes - piece.label_codes[0]) * len(steps)
    least = np.minimum.accumulate((base + np.searchsorted(steps, piece.reach))[::-1])[::-1]
    found: Ints = steps[least - base]
    return found


def _first(codes: Ints, times: Ints, keys: Ints, moments: Ints) -> Ints:
    """For each (key, moment) the first place in the sorted (codes, times) that is not before it."""
    if not len(codes):
        return np.zeros(len(keys), np.int64)
    base, end = int(times.min()), int(times.max()) + 1
    stride = end - base + 1
    if (int(codes[-1] - codes[0]) + 1) * stride < _PLACES:
        have, wanted = times - base, np.clip(moments, base, end) - base
    else:  # too far apart for one number: ranks instead of times
        steps = _unique(times)
        stride = len(steps) + 1
        have, wanted = np.searchsorted(steps, times), np.searchsorted(steps, moments)
    first = codes[0]
    found: Ints = np.searchsorted(
        (codes - first) * stride + have, np.clip(keys - first, -1, codes[-1] - first + 1) * stride + wanted
    )
    return found


def _unique(values: Ints) -> Ints:
    """Sorted, each once. Sorting integers is several times faster than `numpy.unique`, which hashes them."""
    ordered = np.sort(values)
    different: Ints = ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))]
    return different


def _expanded(low: Ints, high: Ints) -> Iterator[_Pairs]:
    """Every row with each number of its range [low, high), in chunks of whole rows."""
    counts = high - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(low):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        many = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), many)
        firsts = np.repeat(low[start:stop] - (ends[start:stop] - many - before), many)
        yield _Pairs(rows, firsts + np.arange(len(rows)))
        start = stop


def _aggregate(span: _Span, aggregation: Aggregation) -> pa.Array:
    if aggregation.function == "count":
        return pa.array(span.total(np.ones(len(span.piece.codes), np.int64)))
    column = span.piece.columns[aggregation.column]
    if aggregation.function in ("sum", "mean", "std"):
        return pa.array(_sums(span, aggregation, column), aggregation.result(column.kind).arrow())
    if aggregation.function == "distinct":
        return pa.array(_distinct(span, column))
    places = _latest(span, column) if aggregation.function == "last" else _extreme(span, aggregation.function, column)
    return column.array.take(pa.array(places, mask=places < 0))


def _sums(span: _Span, aggregation: Aggregation, column: Column) -> list[Any]:
    """Sum, mean or std for each label, as Python values."""
    kind, function = column.kind, aggregation.function
    counts = span.total(column.valid.astype(np.int64)).tolist()
    far, valid = _infinite(span, column)
    totals, exponent = _exact(span, column, valid)
    found: list[Any]
    if function == "std":
        squares, _ = _exact(span, column, valid, squared=True)
        scale, up = unit(kind) << max(-exponent, 0), max(exponent, 0)
        found = [
            deviation(count, total << up, square << 2 * up, scale)
            for count, total, square in zip(counts, totals, squares, strict=True)
        ]
    elif function == "mean" or kind.kind == "number":
        scale = unit(kind)
        found = [
            rounded(total, exponent, count * scale if function == "mean" else 1) if count else None
            for count, total in zip(counts, totals, strict=True)
        ]
    else:
        sums = (whole(aggregation, kind, total) for total in totals)
        found = [outer(kind, total) if count else None for count, total in zip(counts, sums, strict=True)]
    for place in np.flatnonzero(far).tolist():
        found[place] = far_value(function, int(far[place]))
    return found


def _infinite(span: _Span, column: Column) -> tuple[Ints, Flags]:
    """For each label which infinities it meets, as in `states.Sum`; and the events whose values are finite."""
    far, valid = np.zeros(len(span.low), np.int64), column.valid
    if column.kind.kind == "number":
        values = column.array.fill_null(0).to_numpy(zero_copy_only=False)
        for bit, infinity in ((1, np.inf), (2, -np.inf)):
            if (odd := values == infinity).any():
                far |= np.where(span.total(odd.astype(np.int64)) > 0, bit, 0)
                valid = valid & ~odd
    return far, valid


def _exact(span: _Span, column: Column, valid: Flags, *, squared: bool = False) -> tuple[list[int], int]:
    rows, exponent = planes(column.array, valid, squared=squared)
    return joined(np.stack([span.total(row) for row in rows])).tolist(), exponent


def _latest(span: _Span, column: Column) -> Ints:
    """The place of the last event that is known and valid, going back from the end of each window; -1 for none."""
    places = span.high - 1
    going = np.arange(len(places))
    while len(going):
        here = places[going]
        inside = here >= span.low[going]
        places[going[~inside]] = -1
        going, here = going[inside], here[inside]
        bad = ~(column.valid[here] & span.known(_Pairs(going, here)))
        going = going[bad]
        places[going] -= 1
    return places


def _extreme(span: _Span, function: str, column: Column) -> Ints:
    """The place of the smallest or largest value of each window; -1 for none."""
    order = pc.sort_indices(column.array).to_numpy().astype(np.int64)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    if function == "min":
        order, ranks = order[::-1], len(order) - 1 - ranks
    best = np.full(len(span.low), -1, np.int64)
    for pairs in span.pairs(column.valid):
        starts = np.flatnonzero(np.diff(pairs.labels, prepend=-1))
        if len(starts):
            best[pairs.labels[starts]] = np.maximum.reduceat(ranks[pairs.events], starts)
    return np.where(best < 0, -1, order[best]) if len(order) else best


def _distinct(span: _Span, column: Column) -> Ints:
    codes, hashes = _hashes(column.kind, column.array)
    found = np.zeros(len(span.low), np.int64)
    for pairs in span.pairs(column.valid):
        unique = _unique(pairs.labels * len(hashes) + codes[pairs.events])
        labels = unique // max(len(hashes), 1)
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        ends = np.append(starts[1:], len(labels))
        found[labels[starts]] = ends - starts
        for start, end in zip(starts[(big := ends - starts > EXACT)], ends[big], strict=True):
            of_one = unique[start:end] % len(hashes)
            found[labels[start]] = estimate(sketched(hashes[code] for code in of_one.tolist()))
    return found


def _hashes(kind: Dtype, array: pa.Array) -> tuple[Ints, list[int]]:
    """A number for each row, and the hash of the value that each number stands for."""
    if kind.kind == "vector":
        texts = [None if value is None else canonical(kind, value) for value in array.to_pylist()]
        encoded = pa.array(texts, pa.binary()).dictionary_encode()
        hashes = [hashed(value) for value in encoded.dictionary.to_pylist()]
    else:
        encoded = (array.cast(pa.int64()) if kind.kind == "time" else array).dictionary_encode()
        values = encoded.dictionary.to_pylist()
        hashes = [hashed(canonical(kind, inner("", kind, value))) for value in values]
    return encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64), hashes
