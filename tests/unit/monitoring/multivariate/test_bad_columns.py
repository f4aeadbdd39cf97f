"""One bad column takes no report down: it is reported as such."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.multivariate.streams import autoregressive, features, table, vectors

from tropism.core.task import Feature
from tropism.monitoring.multivariate import adversarial_drift, embedding_drift, reconstruction_drift

BOTH = [adversarial_drift, reconstruction_drift]
GOOD = ["a", "b"]


def _table(seed: int, rows: int = 300) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "f_a": rng.normal(size=rows),
            "f_b": rng.normal(size=rows),
            "f_null": pa.nulls(rows, pa.float64()),
            "f_untyped": pa.nulls(rows),
            "f_constant": np.full(rows, 7.0),
            "f_one": ["red"] * rows,
            "f_words": ["far"] * rows,
            "f_infinite": np.full(rows, np.inf),
        }
    )


FEATURES = [
    *map(Feature, ("a", "b", "null", "untyped", "constant", "words", "infinite", "absent")),
    Feature("one", type="category"),
]


@pytest.mark.parametrize("look", BOTH)
def test_bad_columns_are_left_out_with_the_reason(look: object) -> None:
    assert callable(look)
    report = look(_table(0), _table(1), FEATURES)
    problems = {column.name: column.problem for column in report.left_out}
    assert report.problem == ""
    assert set(problems) == {feature.name for feature in FEATURES} - set(GOOD)
    assert problems["null"] == problems["untyped"] == problems["infinite"] == "no values on either side"
    assert problems["constant"] == problems["one"] == "the same value throughout"
    assert (problems["words"], problems["absent"]) == ("not of type number", "no such column")


@pytest.mark.parametrize("look", BOTH)
def test_infinities_and_absurd_numbers_are_borne(look: object) -> None:
    assert callable(look)
    old, new = autoregressive(0, 400, 3, 0.0), autoregressive(1, 400, 3, 0.0)
    old[3, 0], old[4, 0], new[5, 1], new[6, 1] = np.inf, -np.inf, 1e300, -1e300
    report = look(table(old), table(new), features(3))
    assert (report.problem, report.triggered) == ("", False)


@pytest.mark.parametrize("look", BOTH)
@pytest.mark.parametrize(("before", "now"), [(0, 300), (300, 0), (0, 0), (99, 300)])
def test_windows_with_too_few_rows_are_a_problem(look: object, before: int, now: int) -> None:
    assert callable(look)
    report = look(_table(0, before), _table(1, now), FEATURES)
    assert report.problem == "fewer than 100 rows on a side"
    assert (report.triggered, report.p_value) == (False, 1.0)


@pytest.mark.parametrize("look", BOTH)
def test_nothing_to_compare_is_a_problem(look: object) -> None:
    assert callable(look)
    assert look(_table(0), _table(1), []).problem
    assert look(_table(0), _table(1), [Feature("constant")]).problem


def test_a_column_that_was_constant_and_now_moves_has_drifted() -> None:
    old = pa.table({"f_a": np.random.default_rng(0).normal(size=500), "f_b": np.zeros(500)})
    new = pa.table({"f_a": np.random.default_rng(1).normal(size=500), "f_b": np.random.default_rng(2).normal(size=500)})
    for look in BOTH:
        report = look(old, new, features_of("a", "b"))
        assert report.triggered
        assert report.causes[0].name == "b"


def features_of(*names: str) -> list[Feature]:
    return [Feature(name) for name in names]


def test_rows_without_a_vector_are_left_out() -> None:
    rng = np.random.default_rng(0)
    rows: list[list[float | None] | None] = [list(row) for row in rng.normal(size=(100, 4))]
    rows[0], rows[1], rows[2], rows[3] = None, [], [1.0], [1.0, None, float("nan"), float("inf")]
    report = embedding_drift(pa.table({"f_v": rows}), vectors(rng.normal(size=(80, 4))), ["v"])
    assert (report.problem, report.rows, report.triggered) == ("", (96, 80), False)


def test_columns_without_vectors_are_left_out_with_the_reason() -> None:
    rng = np.random.default_rng(0)
    old = pa.table(
        {
            "f_v": list(rng.normal(size=(100, 4))),
            "f_other": list(rng.normal(size=(100, 4))),
            "f_words": ["x"] * 100,
            "f_same": [[1.0, 2.0]] * 100,
            "f_none": pa.nulls(100, pa.list_(pa.float64())),
        }
    )
    new = old.set_column(1, "f_other", pa.array(list(rng.normal(size=(100, 5)))))
    report = embedding_drift(old, new, ["v", "other", "words", "same", "none", "absent"])
    problems = {column.name: column.problem for column in report.left_out}
    assert set(problems) == {"other", "words", "same", "none", "absent"}
    assert problems["other"] == "vectors of 4 numbers before, 5 now"
    assert report.problem == ""


def test_empty_tables_of_vectors_are_a_problem() -> None:
    empty = pa.table({"f_v": pa.array([], pa.list_(pa.float32()))})
    assert embedding_drift(empty, empty, ["v"]).problem
    assert embedding_drift(empty, empty, []).problem == "no vectors to compare"
