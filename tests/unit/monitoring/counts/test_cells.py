from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.monitoring.counts.cells import Scratch, cells, inner_bins, key, value_at

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_keys_rise_with_the_value(one: float, other: float) -> None:
    assert (key(one) < key(other)) == (one < other)
    assert (key(one) == key(other)) == (one == other)
    assert value_at(key(one)) == one


@settings(deadline=None)
@given(st.lists(FINITE, max_size=20), st.lists(FINITE, min_size=1, max_size=40))
def test_the_look_up_gives_the_bin_that_a_search_gives_whatever_the_edges(
    edges: list[float], values: list[float]
) -> None:
    edges = sorted({edge + 0.0 for edge in edges} | {-1.0, 0.5, 2.0})
    near = [value_at(key(edge) + step) for edge in edges for step in (-1, 1)]
    sample = np.array([*values, *edges, *near, np.inf, -np.inf, -0.0], np.float32)
    found = inner_bins(cells(tuple(edges)), sample.copy(), Scratch(len(sample)))
    wanted = np.searchsorted(np.array(edges, np.float32), sample, side="right").clip(1, len(edges) - 1)
    assert found.tolist() == wanted.tolist()


def test_an_edge_inside_a_cell_makes_it_torn_but_not_wrong() -> None:
    edges = (-9.0, -1.0, 1000.0, float(np.float32(1000.01)), 5000.0, 6000.0)
    found = cells(edges)
    assert found.torn
    values = np.linspace(999.9, 1000.1, 1001, dtype=np.float32)
    wanted = np.searchsorted(np.array(edges, np.float32), values, side="right")
    assert inner_bins(found, values.copy(), Scratch(1001)).tolist() == wanted.tolist()


def test_tables_stay_small() -> None:
    wide = (-3e38, -1e30, *(float(np.float32(0.1 * place)) for place in range(1, 40)), 1e30, 3e38)
    assert len(cells(tuple(float(np.float32(edge)) for edge in wide)).bins) <= 65_536


def test_a_torn_cell_that_reaches_beyond_the_ends_counts_them_in() -> None:
    edges = (-1.3862643676741632e16, -1.3862642602999808e16, -1.0, 0.5, 2.0)
    values = np.array([-1.3862645e16, edges[0], 0.0, 2.0], np.float32)
    assert inner_bins(cells(edges), values, Scratch(4)).tolist() == [1, 1, 3, 4]
