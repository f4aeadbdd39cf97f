from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from tropism.core.clock import SECOND
from tropism.core.task import Feature
from tropism.monitoring.quality import Arrivals, FeatureQuality, Quality, arrivals, assess, facts, quality

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


def test_scores_are_shares_of_good_rows_and_the_worst_comes_first() -> None:
    table = pa.table({"f_age": [20.0, None, 300.0, 40.0], "f_colour": ["red"] * 4, "f_flag": [1, 0, 1, 0]})
    found = assess(table, FEATURES, now=0)
    assert [(feature.name, feature.score) for feature in found.features] == [("flag", 0.0), ("age", 0.5), ("colour", 1)]
    assert found.features[0].problem == "'f_flag' does not hold booleans"
    assert found.score == pytest.approx(0.5)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Quality) == found


def test_what_was_usual_in_the_reference_is_no_fault() -> None:
    reference = quality(pa.table({"f_age": [1.0, None] * 5}), FEATURES[:1])
    usual = assess(pa.table({"f_age": [None, 2.0] * 50}), FEATURES[:1], 0, reference=reference)
    worse = assess(pa.table({"f_age": [None, None, None, 2.0] * 50}), FEATURES[:1], 0, reference=reference)
    never = quality(pa.table({"f_age": pa.nulls(5)}), FEATURES[:1])
    assert (usual.score, worse.score) == (1.0, 0.5)
    assert assess(pa.table({"f_age": [1.0]}), FEATURES[:1], 0, reference=never).score == 1.0


def test_features_added_removed_or_retyped_since_the_reference_are_told_as_such() -> None:
    before = (Feature("age"), Feature("colour"), Feature("height"))
    reference = quality(pa.table({"f_age": [1.0], "f_colour": [1.0], "f_height": [1.0]}), before)
    table = pa.table({"f_age": [1.0], "f_colour": ["red"], "f_flag": [True]})
    found = assess(table, FEATURES, 0, reference=reference)
    assert found.changes == {"colour": "retyped", "flag": "new", "height": "gone"}
    assert found.score == 1.0
    assert found.features[-1].name == "height"
    assert assess(table, FEATURES, 0).changes == {}


def test_odd_columns_are_counted_and_harm_no_other() -> None:
    many = [str(i) for i in range(200_000)]
    inf = float("inf")
    table = pa.table(
        {
            "f_age": [inf, -inf] * 100_000,
            "f_colour": pa.array(many).dictionary_encode(),
            "f_flag": pa.nulls(200_000, pa.bool_()),
        }
    )
    found = {feature.name: feature for feature in assess(table, FEATURES, 0, {"colour": many[:100_000]}).features}
    assert (found["age"].non_finite, found["age"].score, found["age"].distinct) == (200_000, 0.0, 2)
    assert (found["colour"].distinct, found["colour"].score) == (200_000, 0.5)
    assert (found["flag"].distinct, found["flag"].missing, found["flag"].score) == (0, 200_000, 0.0)
    constant = quality(pa.table({"f_age": [3.0] * 9}), FEATURES[:1])[0]
    assert (constant.distinct, constant.score, constant.problem) == (1, 1.0, "")


def test_a_clock_that_jumps_is_counted_and_does_not_pass_for_fresh() -> None:
    made = [100, 101, 90_000, 102, 99, 50, 103]
    table = pa.table(
        {
            "id": ["a", "b", "c", "d", "d", None, None],
            "at": pa.array([second * SECOND for second in made]).cast(pa.timestamp("us", "UTC")),
            "received": pa.array([(second + 2) * SECOND for second in made]).cast(pa.timestamp("us", "UTC")),
        }
    )
    found = arrivals(table, now=200 * SECOND)
    assert (found.rows, found.repeated, found.future, found.backwards) == (7, 1, 1, 2)
    assert found.step_back == 90_000 - 102
    assert (found.freshness, found.delay, found.delay_p90) == (97.0, 2.0, 2.0)
    assert assess(table.append_column("f_age", pa.array([1.0] * 7)), FEATURES[:1], 200 * SECOND).score == pytest.approx(
        5 / 7
    )
    ahead = arrivals(table.slice(2, 1), now=200 * SECOND)
    assert (ahead.freshness, ahead.future) == (None, 1)


def test_clocks_a_little_apart_are_no_fault() -> None:
    table = pa.table({"at": [5 * SECOND, 3 * SECOND, 8 * SECOND]})
    assert arrivals(table, now=0) == Arrivals(rows=3, freshness=0.0)


def test_an_empty_window_has_no_score_and_knows_nothing() -> None:
    found = assess(pa.table({"id": pa.array([], pa.string()), "at": pa.array([], pa.int64())}), FEATURES, 0)
    assert (found.score, found.arrivals) == (None, Arrivals(rows=0))
    assert set(facts(found).values()) == {None}


def test_rules_get_shares_of_each_feature() -> None:
    table = pa.table({"f_age": [None, 200.0, 1.0, 1.0], "f_colour": ["red", "x", "x", "red"], "at": [0] * 4})
    told = facts(assess(table, FEATURES, SECOND, {"colour": ["red"]}))
    assert (told["missing:age"], told["out_of_range:age"], told["unseen:colour"]) == (0.25, 0.25, 0.5)
    assert (told["missing:flag"], told["freshness"]) == (None, 1.0)
