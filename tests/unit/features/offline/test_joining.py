from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.features.offline import latest

EDGE = 2**63
SMALL = st.integers(0, 6)
WIDE = st.sampled_from([-EDGE, -EDGE + 1, -7, 0, 7, EDGE - 2, EDGE - 1])
ROW = st.tuples(st.integers(-1, 3), SMALL, SMALL)
WIDE_ROW = st.tuples(st.integers(-1, 3), WIDE, WIDE)


def brute(
    labels: list[tuple[int, int]], rows: list[tuple[int, int, int]], created: bool, known: bool, ttl: int | None
) -> list[int]:
    """The definition, row by row."""
    found = []
    for code, at in labels:
        best: tuple[int, int, int] | None = None
        for place, (row_code, time, written) in enumerate(rows):
            late = created and known and written > at
            if code >= 0 and row_code == code and time <= at and not late:
                candidate = (time, written if created else 0, place)
                best = candidate if best is None else max(best, candidate)
        alive = best is not None and (ttl is None or at - best[0] < ttl)
        found.append(best[2] if best is not None and alive else -1)
    return found


def ints(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


@given(
    st.lists(st.tuples(st.integers(-1, 4), SMALL), max_size=12),
    st.lists(ROW, max_size=25),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(1, 5),
)
def test_it_is_the_definition(
    labels: list[tuple[int, int]], rows: list[tuple[int, int, int]], created: bool, known: bool, ttl: int | None
) -> None:
    check(labels, rows, created, known, ttl)


@given(
    st.lists(st.tuples(st.integers(-1, 3), WIDE), max_size=8),
    st.lists(WIDE_ROW, max_size=12),
    st.booleans(),
    st.none() | st.sampled_from([1, 8, EDGE - 1]),
)
def test_it_is_the_definition_at_the_ends_of_time(
    labels: list[tuple[int, int]], rows: list[tuple[int, int, int]], known: bool, ttl: int | None
) -> None:
    check(labels, rows, True, known, ttl)


def check(
    labels: list[tuple[int, int]], rows: list[tuple[int, int, int]], created: bool, known: bool, ttl: int | None
) -> None:
    got = latest(
        ints([code for code, _ in labels]),
        ints([at for _, at in labels]),
        ints([code for code, _, _ in rows]),
        ints([time for _, time, _ in rows]),
        ints([written for _, _, written in rows]) if created else None,
        known,
        ttl,
    )
    assert got.tolist() == brute(labels, rows, created, known, ttl)


@pytest.mark.parametrize("late", [0.0, 0.02, 1.0])
def test_many_rows_agree_with_a_search_of_each_key(late: float) -> None:
    """Sizes at which sorting takes its other paths."""
    random = np.random.default_rng(4)
    rows, labels = 20_000, 3_000
    codes, times = random.integers(0, 300, rows), random.integers(0, 10**12, rows)
    created = times + np.where(random.random(rows) < late, random.integers(0, 10**11, rows), 0)
    label_codes, label_times = random.integers(0, 320, labels), random.integers(0, 10**12, labels)
    got = latest(label_codes, label_times, codes, times, created, True, 10**11)
    for label in range(labels):
        at = label_times[label]
        mine = np.flatnonzero((codes == label_codes[label]) & (times <= at) & (created <= at))
        best = mine[np.lexsort((mine, created[mine], times[mine]))[-1]] if len(mine) else -1
        assert got[label] == (best if best >= 0 and at - times[best] < 10**11 else -1)


def test_it_holds_for_less_than_its_ttl() -> None:
    zero = ints([0])
    asked = [latest(zero, ints([at]), zero, zero, None, True, 10).item() for at in (-1, 0, 9, 10)]
    assert asked == [-1, 0, 0, -1]
