from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput, MalformedBody
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.protocols.mlflow_scoring_rows import read_rows
from tropism.serving import Deployment

TASK = Task(
    name="t",
    kind="binary",
    target="y",
    features=(Feature("n", nullable=False), Feature("c", "category", default="x"), Feature("b", "boolean")),
)
DEPLOYMENT = Deployment(TASK)


@pytest.mark.parametrize(
    ("row", "cells", "expected"),
    [
        ({"n": 1, "c": "a", "b": True}, False, {"n": 1.0, "c": "a", "b": True}),
        ({"n": "1.5e3", "c": 7, "b": 1}, False, {"n": 1500.0, "c": "7", "b": True}),
        ({"n": True, "c": 2.5, "b": 0.0}, False, {"n": 1.0, "c": "2.5", "b": False}),
        ({"n": " 2", "c": "7", "b": "TRUE"}, True, {"n": 2.0, "c": "7", "b": True}),
        ({"n": "2", "c": None, "b": None}, True, {"n": 2.0, "c": None, "b": None}),
        ({"n": 1, "b": False}, False, {"n": 1.0, "c": "x", "b": False}),
    ],
)
def test_values_become_what_the_feature_is(row: dict[str, Any], cells: bool, expected: dict[str, Any]) -> None:
    (ask,) = read_rows([row], DEPLOYMENT, cells=cells)
    assert ask.row == expected
    assert [type(value) for value in ask.row.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ({"n": "one", "b": None}, False),
        ({"n": "1_000", "b": None}, False),
        ({"n": "\u0661", "b": None}, False),
        ({"n": "nan", "b": None}, False),
        ({"n": "inf", "b": None}, True),
        ({"n": None, "b": None}, False),
        ({"n": [1], "b": None}, False),
        ({"n": 1, "b": "true"}, False),
        ({"n": 1, "b": 2}, False),
        ({"n": "1", "b": "yes"}, True),
        ({"n": 1, "b": None, "c": {}}, False),
    ],
)
def test_a_value_that_is_not_surely_meant_is_refused(row: dict[str, Any], cells: bool) -> None:
    with pytest.raises(MalformedBody) as caught:
        read_rows([row], DEPLOYMENT, cells=cells)
    assert caught.value.faults[0].field.startswith("rows[0].")


def test_a_column_that_is_needed_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_rows([{"c": "a"}], DEPLOYMENT)
    assert [fault.field for fault in caught.value.faults] == ["n", "b"]


def test_every_row_that_is_wrong_is_told() -> None:
    with pytest.raises(MalformedBody) as caught:
        read_rows([{"n": "x", "b": None}, {"n": 1, "b": None}, {"n": "y", "b": 3}], DEPLOYMENT)
    assert [fault.field for fault in caught.value.faults] == ["rows[0].n", "rows[2].n", "rows[2].b"]
