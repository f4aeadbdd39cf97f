from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InvalidInput
from tropism.features.transformations import Log, OneHot, Pipeline, TimeParts, ZScore
from tropism.features.transformations.inputs import Filling, filled
from tropism.features.types import dtype

SEVEN = 1_782_889_200_000_000  # 2026-07-01 07:00 UTC


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", Decimal("0.1"), 0.1),
        ("number", 3, 3),
        ("integer", 3.0, 3),
        ("integer", Decimal("3.00"), 3),
        ("integer", float("nan"), None),
        ("decimal(2)", 12.3, Decimal("12.3")),
        ("decimal(2)", float("inf"), None),
        ("decimal(2)", -0.0, Decimal(0)),
        ("decimal(2)", 1e20, Decimal(10**20)),
        ("text", 17, "17"),
        ("text", "a", "a"),
        ("boolean", True, True),
        ("time", "2026-07-01T07:00:00Z", SEVEN),
        ("time", "2026-07-01T09:00+02:00", SEVEN),
        ("time", "2026-07-01 07:00", SEVEN),
        ("time", float(SEVEN), SEVEN),
        ("time", datetime.datetime(2026, 7, 1, 7, tzinfo=datetime.UTC), SEVEN),
        ("time", datetime.date(2026, 7, 1), SEVEN - 7 * 3_600_000_000),
        ("time", None, None),
    ],
)
def test_a_value_is_brought_to_the_type_of_its_input(kind: str, value: Any, expected: Any) -> None:
    found = Filling(kind, "x").value(value)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", True),
        ("number", "3"),
        ("integer", 2.5),
        ("integer", 2.0**63),
        ("integer", True),
        ("decimal(2)", 12.345),
        ("decimal(2)", 1e36),
        ("decimal(2)", True),
        ("text", 17.0),
        ("text", True),
        ("boolean", 1.0),
        ("time", "yesterday"),
        ("time", "0001-01-01"),
        ("time", 1e18),
        ("time", True),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_rows_and_in_columns(kind: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        Filling(kind, "amount").value(value)
    (fault,) = refused.value.faults
    assert (fault.field, fault.value) == ("amount", repr(value))
    assert fault.fix
    with pytest.raises(InvalidInput) as refused:
        Filling(kind, "amount").column(pa.chunked_array([pa.array([None, value])]))
    assert refused.value.faults == (fault,)


PIPELINE = Pipeline(
    {"x": float, "n": int, "money": "decimal(2)", "city": str, "flag": bool, "at": datetime.datetime},
    (ZScore("x"), Log("n"), ZScore("money"), OneHot("city"), OneHot("flag"), TimeParts("at")),
)
FITTED = PIPELINE.fit(
    pa.table(
        {
            "x": [0.0, 0.3, -0.3],
            "n": [1, 2, 3],
            "money": pa.array([Decimal("-0.10"), Decimal(0), Decimal("0.10")]),
            "city": ["1", "2", None],
            "flag": [True, False, None],
            "at": pa.nulls(3, pa.timestamp("us", "UTC")),
        }
    )
)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
CENTS = st.integers(-(10**13), 10**13).map(lambda cents: Decimal(cents).scaleb(-2))
MOMENTS = st.integers(-(2**50), 2**52).map(lambda time: EPOCH + datetime.timedelta(microseconds=time))
# What the same input is in files, in the store and in requests.
COLUMNS: dict[str, list[st.SearchStrategy[Any]]] = {
    "x": [CENTS, st.floats(), st.integers(-(2**63), 2**63 - 1)],
    "n": [st.integers(-(2**53), 2**53).map(float), st.integers(-9, 9)],
    "money": [CENTS, CENTS.map(float), st.integers(-(10**9), 10**9), st.sampled_from([-0.0, 0.1, 1e9])],
    "city": [st.integers(0, 3), st.sampled_from(["1", "2", "é"])],
    "flag": [st.booleans()],
    "at": [
        MOMENTS,
        MOMENTS.map(lambda one: one.isoformat().replace("+00:00", "+05:30")),
        st.integers(-(2**50), 2**50).map(float),
    ],
}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_rows_and_columns_from_any_place_give_equal_bits(data: st.DataObject) -> None:
    given_columns = {
        name: data.draw(st.one_of([st.lists(st.none() | one, min_size=4, max_size=4) for one in some]))
        for name, some in COLUMNS.items()
    }
    table = pa.table(given_columns)
    fillings = {name: Filling(kind, name) for name, kind in PIPELINE.inputs.items()}
    found = filled(fillings, lambda name: table[name])
    columns = FITTED.apply(found).to_pylist()
    rows = [
        FITTED.apply_row({name: one.value(given_columns[name][place]) for name, one in fillings.items()})
        for place in range(4)
    ]
    assert [list(map(repr, row.values())) for row in rows] == [list(map(repr, row.values())) for row in columns]


def test_a_dictionary_and_a_column_of_nothing_are_taken() -> None:
    column = pa.chunked_array([pa.array(["a", None]).dictionary_encode()])
    assert Filling("text", "x").column(column).to_pylist() == ["a", None]
    for kind in PIPELINE.inputs.values():
        nothing = pa.chunked_array([pa.nulls(2)])
        assert Filling(kind, "x").column(nothing).cast(dtype(kind).arrow()).null_count == 2
