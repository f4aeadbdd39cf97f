from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.features.transformations import Cross, OneHot, TrainingRows


def rows(values: list[str | None]) -> TrainingRows:
    return TrainingRows(pa.table({"card": pa.array(values, pa.string())}))


def test_the_most_frequent_categories_get_columns_and_others_one_of_theirs() -> None:
    fitted = OneHot("card", most=2).fit(rows(["c", "b", "a", "c", None, None]))
    assert list(fitted.outputs) == ["card=c", "card=a", "card_other"]
    assert fitted.apply_row({"card": "c"}) == {"card=c": 1, "card=a": 0, "card_other": 0}
    assert fitted.apply_row({"card": "new"}) == {"card=c": 0, "card=a": 0, "card_other": 1}
    assert fitted.apply_row({"card": None}) == {"card=c": 0, "card=a": 0, "card_other": 0}


def test_a_category_named_other_has_a_column_of_its_own() -> None:
    fitted = OneHot("card").fit(rows(["other", "x"]))
    assert fitted.apply_row({"card": "other"}) == {"card=other": 1, "card=x": 0, "card_other": 0}


def test_given_categories_are_known_before_it_is_fitted() -> None:
    step = OneHot("card", categories=("x", "never"), name="paid")
    assert (
        step.fit(rows([None])).outputs
        == step.outputs
        == dict.fromkeys(["paid=x", "paid=never", "paid_other"], "integer")
    )


@pytest.mark.parametrize("values", [[], [None]])
def test_no_categories_cannot_be_learned(values: list[str | None]) -> None:
    with pytest.raises(DataInvalid) as caught:
        OneHot("card").fit(rows(values))
    assert caught.value.faults[0].field == "card"


PAIRS = st.tuples(st.text("a|\\", max_size=3), st.text("a|\\", max_size=3))


@given(PAIRS, PAIRS)
def test_different_combinations_are_different_texts(one: tuple[str, str], other: tuple[str, str]) -> None:
    cross = Cross(("a", "b"))
    texts = [cross.apply_row({"a": a, "b": b})["a_x_b"] for a, b in (one, other)]
    assert (texts[0] == texts[1]) == (one == other)


def test_a_combination_with_a_missing_part_is_null() -> None:
    table = pa.table({"a": ["x", None], "b": pa.array([None, 1], pa.int64())})
    assert Cross(("a", "b")).apply(table)["a_x_b"].to_pylist() == [None, None]
    assert Cross(("b", "a"), name="both").apply_row({"a": "x", "b": 7}) == {"both": "7|x"}
