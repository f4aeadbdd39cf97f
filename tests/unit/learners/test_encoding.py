from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.core.task import Feature
from tropism.learners.encoding import CLIP, MOST_CATEGORIES, Encoding

if TYPE_CHECKING:
    from tropism.learners.base import Style

FEATURES = (Feature("n"), Feature("c", "category"), Feature("b", "boolean"))
TABLE = pa.table({"n": [1.0, None, 3.0, 5.0], "c": ["x", "y", None, "x"], "b": [True, None, False, True]})
STYLES: tuple[Style, ...] = ("codes", "standard")


def test_codes_keep_numbers_and_number_categories() -> None:
    encoding = Encoding.fit(FEATURES, TABLE, "codes")
    nan = math.nan
    expected = [[1, 0, 1], [nan, 1, nan], [3, nan, 0], [5, 0, 1]]
    np.testing.assert_array_equal(encoding.matrix(TABLE), expected)
    assert encoding.codes({"n": 2, "c": "never seen", "b": False}) == [2.0, -1.0, 0.0]


def test_standard_scores_indicators_and_one_hot() -> None:
    encoding = Encoding.fit(FEATURES, TABLE, "standard")
    assert encoding.owners == ["n", "n", "c", "c", "c", "b", "b"]
    matrix = encoding.matrix(TABLE)
    known = np.array([1.0, 3.0, 5.0])
    expected = (known - known.mean()) / known.std()
    np.testing.assert_allclose(matrix[[0, 2, 3], 0], expected)
    np.testing.assert_array_equal(matrix[:, :2][1], [0, 1])
    np.testing.assert_array_equal(matrix[:, 2:5], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(encoding.rows([{"c": "never seen"}])[0, 2:5], [0, 0, 0])
    assert not np.any(np.isnan(matrix))


values = st.fixed_dictionaries(
    {
        "n": st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**70), 2**70),
        "c": st.none() | st.sampled_from(["x", "y", "z", ""]),
        "b": st.none() | st.booleans(),
    }
)


@pytest.mark.parametrize("style", STYLES)
@given(rows=st.lists(values, min_size=1, max_size=8) | st.lists(values, min_size=8, max_size=20))
def test_a_table_a_batch_and_a_single_row_encode_to_equal_bits(style: Style, rows: list[dict[str, Any]]) -> None:
    encoding = Encoding.fit(FEATURES, TABLE, style)
    together = encoding.rows(rows)
    alone = np.vstack([encoding.rows([row]) for row in rows])
    numbers = [None if row["n"] is None else float(row["n"]) for row in rows]
    table = pa.table(
        {
            "n": pa.array(numbers, pa.float64()),
            "c": pa.array([row["c"] for row in rows], pa.string()),
            "b": pa.array([row["b"] for row in rows], pa.bool_()),
        }
    )
    assert together.tobytes() == alone.tobytes() == encoding.matrix(table).tobytes()


@pytest.mark.parametrize("style", STYLES)
def test_json_round_trip_encodes_identically(style: Style) -> None:
    encoding = Encoding.fit(FEATURES, TABLE, style)
    again = Encoding.from_json(encoding.to_json())
    assert again.facts == encoding.facts
    assert again.matrix(TABLE).tobytes() == encoding.matrix(TABLE).tobytes()


def test_json_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="hook"):
        Encoding.from_json(b'{"style": "codes", "columns": [], "hook": "x"}')


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x", None, "y"], pa.large_string()),
        pa.array(["x", None, "y"], pa.string_view()),
        pa.array(["x", None, "y"]).dictionary_encode(),
        pa.chunked_array([["x"], [None, "y"]]),
    ],
    ids=["large", "view", "dictionary", "chunked"],
)
def test_every_way_to_store_text_encodes_alike(column: pa.Array) -> None:
    codes = Encoding.fit(FEATURES, TABLE, "codes").matrix(pa.table({"c": column}))[:, 1]
    np.testing.assert_array_equal(codes, [0, math.nan, 1])


def test_numbers_of_any_width_and_an_all_null_column_encode() -> None:
    encoding = Encoding.fit(FEATURES, TABLE, "codes")
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.bool_()):
        np.testing.assert_array_equal(encoding.matrix(pa.table({"n": pa.array([1], pa.int8()).cast(kind)}))[0, 0], 1.0)
    assert np.all(np.isnan(encoding.matrix(pa.table({"n": pa.nulls(2), "c": pa.nulls(2), "b": pa.nulls(2)}))))


def test_a_column_that_cannot_be_read_is_named() -> None:
    with pytest.raises(DataInvalid) as caught:
        Encoding.fit(FEATURES, TABLE, "codes").matrix(pa.table({"n": ["12 apples"]}))
    assert caught.value.faults[0].field == "features.n"
    assert caught.value.faults[0].value == "string"


@pytest.mark.parametrize("style", STYLES)
def test_only_the_most_frequent_categories_are_kept(style: Style) -> None:
    most = MOST_CATEGORIES[style]
    often = [f"often {i}" for i in range(most)]
    table = pa.table({"c": [*often, *often, *[f"rare {i}" for i in range(50)]]})
    column = Encoding.fit(FEATURES, table, style).facts.columns[1]
    assert column.categories == tuple(sorted(often))


def test_huge_and_constant_numbers_stay_finite() -> None:
    table = pa.table({"n": [1e308, -1e308, 1e308], "b": [True, True, True]})
    encoding = Encoding.fit(FEATURES, table, "standard")
    matrix = encoding.rows([{"n": 1e308}, {"n": -1.7e308}, {"n": 0.0, "b": False}])
    assert np.all(np.isfinite(matrix))
    assert np.all(np.abs(matrix) <= CLIP)
    equal = Encoding.fit(FEATURES, pa.table({"n": [0.1, 0.1, 0.1]}), "standard")
    np.testing.assert_allclose(equal.rows([{"n": 0.1}])[0, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_codes_spread_to_the_rows_they_come_from(style: Style) -> None:
    encoding = Encoding.fit(FEATURES, TABLE, style)
    rows: list[dict[str, Any]] = [{"n": 2.5, "c": "x", "b": True}, {}, {"n": -1e300, "c": "never seen", "b": False}] * 5
    codes = np.array([encoding.codes(row) for row in rows])
    assert encoding.spread(codes).tobytes() == encoding.rows(rows).tobytes()
    assert encoding.spread(codes[:3]).tobytes() == encoding.rows(rows[:3]).tobytes()
    assert encoding.spread(codes[:0]).shape == (0, encoding.width)


def test_codes_that_stand_for_no_category_count_as_never_seen() -> None:
    encoding = Encoding.fit(FEATURES, TABLE, "standard")
    strange = np.array([[0.0, code, 0.0] for code in (-1.0, 2.0, 0.5, 1e9)] * 4)
    assert not encoding.spread(strange)[:, 2:5].any()
    assert not encoding.spread(strange[:4])[:, 2:5].any()
