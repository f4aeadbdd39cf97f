from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import Binning


def test_its_size_has_room_for_both_ends_and_for_what_is_missing() -> None:
    numbers = Binning(kind="number", edges=(0.0, 0.5, 1.0))
    assert (numbers.size, numbers.missing) == (5, 4)
    assert Binning(kind="number").size == 2
    categories = Binning(kind="category", names=("red", "teal"))
    assert (categories.size, categories.missing) == (4, 3)


@pytest.mark.parametrize(
    "edges", [(1.0, 1.0), (2.0, 1.0), (0.1,), (float("nan"),), (0.0, float("inf")), (1e300,), (0.0, -0.0)]
)
def test_edges_that_could_not_be_told_apart_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(DataInvalid) as caught:
        Binning(kind="number", edges=edges)
    assert caught.value.faults[0].field == "edges"


def test_more_bins_than_a_row_has_room_for_are_refused() -> None:
    edges = tuple(float(edge) for edge in range(61))
    with pytest.raises(DataInvalid, match="at most 60"):
        Binning(kind="number", edges=edges)
    with pytest.raises(DataInvalid, match="at most 61"):
        Binning(kind="category", names=tuple(map(str, range(62))))
    assert Binning(kind="number", edges=edges[:60]).size == 62


def test_names_twice_or_of_the_other_kind_are_refused() -> None:
    with pytest.raises(DataInvalid):
        Binning(kind="category", names=("red", "red"))
    with pytest.raises(DataInvalid):
        Binning(kind="category", edges=(1.0,))
    with pytest.raises(DataInvalid):
        Binning(kind="number", names=("red",))


def test_float32_values_that_print_long_are_exact() -> None:
    edge = float(np.float32(0.1))
    assert Binning(kind="number", edges=(edge,)).edges == (edge,)
