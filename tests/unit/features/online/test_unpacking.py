from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.features.online.test_packing import tables

from tropism.features.online import Packing
from tropism.features.types import Dtype, dtype


@settings(max_examples=200, deadline=None)
@given(st.data(), tables())
def test_any_choice_of_features_comes_in_its_own_order(
    data: st.DataObject, given: tuple[list[Dtype], list[tuple[int, int, list[Any]]]]
) -> None:
    dtypes, rows = given
    packing = Packing(dtypes)
    places = data.draw(st.lists(st.sampled_from(range(len(dtypes))), unique=True))
    packed = [packing.pack(*row) for row in rows]

    found = packing.unpacking(places).values(packed)

    assert [list(values) for values in found] == [[kept(row[2][place]) for place in places] for row in rows]


def kept(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def test_a_text_is_found_behind_those_that_are_not_asked_for() -> None:
    packing = Packing([dtype("text"), dtype("number"), dtype("text"), dtype("text")])
    rows = [packing.pack(0, 0, ["é", 1.0, "bc", "d"]), packing.pack(0, 0, [None, None, "", "ef"])]

    assert [list(values) for values in packing.unpacking([3]).values(rows)] == [["d"], ["ef"]]
    assert [list(values) for values in packing.unpacking([2, 1]).values(rows)] == [["bc", 1.0], ["", None]]


def test_no_rows_and_no_features_give_nothing() -> None:
    packing = Packing([dtype("number"), dtype("text")])
    assert packing.unpacking([1, 0]).values([]) == []
    assert [list(values) for values in packing.unpacking([]).values([packing.pack(0, 0, [1.0, "a"])])] == [[]]
