"""Which row of a table was the latest at each label's time: an as-of join on numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.features.offline.ordering import ascending, in_threads, rough_order, stable_order

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]


def latest(
    label_codes: Ints,
    label_times: Ints,
    row_codes: Ints,
    row_times: Ints,
    row_created: Ints | None,
    known: bool,
    ttl: int | None,
) -> Ints:
    """For each label the index of the row that holds at its time, -1 for none.

    Of the rows with the label's code and a time of at most the label's it is the one with the largest (time, created,
    index). With `known`, only rows with `created` of at most the label's time count. It holds for less than `ttl`
    after its time. Times are in µs. Codes are small numbers, as by `shared_codes`; negative ones match nothing.

    >>> at = np.array([5, 9])
    >>> latest(np.array([0, 0]), at, np.array([0, 0]), np.array([1, 4]), np.array([1, 7]), True, None).tolist()
    [0, 1]
    """
    found = np.full(len(label_codes), -1, np.int64)
    rows = _asked_for(label_codes, row_codes)
    codes, times, created = (_chosen(one, rows) for one in (row_codes, row_times, row_created))
    if codes is None or times is None or not len(codes):
        return found
    known_from = np.maximum(times, created) if known and created is not None else times
    known_from = np.maximum(times, created) if known and created is not None else times
    by_time, by_known, by_label = _keys(codes, times, known_from, label_codes, label_times)
    ordered, winner = _winners(by_time, by_known, created)

    def held(asked: Ints) -> Ints:
        """The row that holds for each of some labels."""
        place = np.searchsorted(ordered, by_label.take(asked), side="right") - 1
        row, code = winner.take(place, mode="clip"), label_codes.take(asked)
        holds = (place >= 0) & (code >= 0) & (codes.take(row) == code)
        if ttl is not None:
            # As unsigned numbers the difference is right even where it does not fit the signed ones.
            age = label_times.take(asked) - times.take(row)
            holds &= age.view(np.uint64) < np.uint64(min(ttl, 2**64 - 1))
        return np.where(holds, row if rows is None else rows.take(row), -1)

    # Searching in order is many times quicker than at random: it stays within the processor's caches.
    asked = rough_order(by_label)
    found[asked] = in_threads(held, asked)
    return found


def _asked_for(label_codes: Ints, row_codes: Ints) -> Ints | None:
    """Indices of the rows whose code some label has; None for all rows, where leaving out a few is not worth it."""
    most = max(label_codes.max(initial=-1), row_codes.max(initial=-1))
    asked = np.zeros(most + 2, np.bool_)
    asked[np.maximum(label_codes, -1)] = True
    asked[-1] = False  # where code -1 points to
    chosen = asked[np.maximum(row_codes, -1)]
    few = len(chosen) - np.count_nonzero(chosen) <= len(chosen) // 8
    return None if few and row_codes.min(initial=0) >= 0 else np.flatnonzero(chosen)


def _chosen(values: Ints | None, rows: Ints | None) -> Ints | None:
    return values if values is None or rows is None else values.take(rows)


def _winners(by_time: Ints, by_known: Ints, created: Ints | None) -> tuple[Ints, Ints]:
    """`by_known` sorted, and for each place in it the row that holds once all rows up to there are known.

    Sorted by when they are known, the rows known at a time are the beginning of those of their code, and the one that
    holds is their maximum in the order of (time, created, index): a running maximum, which does not cross codes, as
    that order has the code first. So late rows cost one more sort, and nothing is tried row by row.
    """
    order, ordered = stable_order(by_time, created)
    known = ordered if by_known is by_time else by_known.take(order)
    if ascending(known):  # no row is known after a later one
        return known, order
    again, known = stable_order(known)
    return known, order.take(np.maximum.accumulate(again))


def _keys(codes: Ints, times: Ints, known: Ints, label_codes: Ints, label_times: Ints) -> tuple[Ints, Ints, Ints]:
    """(code, time) as one number each, in the same order: of rows by time, of rows by `known`, and of labels."""
    low, high = int(times.min()) - 1, int(known.max())
    span = high - low + 1
    if low >= np.iinfo(np.int64).min and (int(codes.max()) + 2) * span < 2**63:
        steps = [one - low for one in (times, known, label_times.clip(low, high))]
    else:
        distinct = np.unique(np.concatenate([times, known]))
        steps = [np.searchsorted(distinct, one, side="right") for one in (times, known, label_times)]
        span = len(distinct) + 1
    # Labels whose code is beyond the rows' only have to come after them.
    label_codes = np.minimum(label_codes, codes.max() + 1).clip(0)
    for step, owner in zip(steps, (codes, codes, label_codes), strict=True):
        step += owner * span
    by_time, by_known, by_label = steps
    return by_time, by_time if known is times else by_known, by_label
