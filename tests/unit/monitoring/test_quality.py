from __future__ import annotations

import msgspec
import pyarrow as pa

from tropism.core.task import Feature
from tropism.monitoring.quality import FeatureQuality, quality

FEATURES = (
    Feature("age", minimum=0.0, maximum=120.0),
    Feature("colour", type="category"),
    Feature("flag", type="boolean"),
)


def _quality(table: pa.Table, **known: list[str]) -> dict[str, FeatureQuality]:
    return {feature.name: feature for feature in quality(table, FEATURES, known)}


def test_each_fault_is_counted_once() -> None:
    table = pa.table(
        {
            "f_age": [20.0, None, -1.0, 121.0, float("nan"), float("inf"), 0.0, 120.0],
            "f_colour": ["red", "green", "violet", None, "red", "red", "red", "red"],
            "f_flag": [True, None, None, False, True, True, True, True],
        }
    )
    found = _quality(table, colour=["red", "green"])
    age = found["age"]
    assert (age.rows, age.missing, age.out_of_range, age.non_finite, age.share) == (8, 1, 2, 2, 5 / 8)
    assert (found["colour"].missing, found["colour"].unseen, found["colour"].share) == (1, 1, 2 / 8)
    assert (found["flag"].missing, found["flag"].share) == (2, 2 / 8)
    assert msgspec.json.encode(tuple(found.values()))


def test_without_known_categories_none_is_unseen_and_with_none_known_all_are() -> None:
    table = pa.table({"f_age": [1.0], "f_colour": ["red"], "f_flag": [True]})
    assert _quality(table)["colour"].unseen == 0
    assert _quality(table, colour=[])["colour"].unseen == 1


def test_whole_numbers_are_numbers() -> None:
    table = pa.table({"f_age": pa.array([5, 500, None], pa.int64()), "f_colour": ["a"] * 3, "f_flag": [True] * 3})
    assert (_quality(table)["age"].out_of_range, _quality(table)["age"].missing) == (1, 1)


def test_a_bad_column_is_reported_and_harms_no_other() -> None:
    table = pa.table({"f_age": ["x", None], "f_colour": pa.nulls(2)})
    found = _quality(table, colour=["red"])
    assert found["age"].problem == "'f_age' does not hold numbers"
    assert (found["age"].missing, found["age"].share) == (1, 0.5)
    assert (found["colour"].missing, found["colour"].unseen, found["colour"].share) == (2, 0, 1.0)
    assert found["flag"].problem == "there is no column 'f_flag'"


def test_no_rows() -> None:
    table = pa.table({"f_age": pa.array([], pa.float64()), "f_colour": pa.array([], pa.string())})
    assert _quality(table, colour=["red"])["age"].share == 0.0
    assert _quality(table, colour=["red"])["colour"].unseen == 0
