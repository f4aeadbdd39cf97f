from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput
from tropism.entrypoints.api.protocols.mlflow_scoring_params import with_params
from tropism.serving.requests import Ask

ROWS = [Ask({"a": 1.0}, ()), Ask({"a": 2.0}, ())]


@pytest.mark.parametrize("params", [None, {}, [], "x", 3, {"predict_method": "predict_proba"}])
def test_params_that_mean_nothing_here_are_accepted(params: Any) -> None:
    assert with_params(ROWS, params) == ROWS


def test_one_text_is_for_every_row_and_a_list_for_each() -> None:
    rows = with_params(ROWS, {"entity": ["a", "b"], "unit": "u"})
    assert [(row.entity, row.unit, row.row) for row in rows] == [("a", "u", {"a": 1.0}), ("b", "u", {"a": 2.0})]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"entity": ["a"]}, "params.entity"),
        ({"entity": 1}, "params.entity"),
        ({"unit": ["a", 1]}, "rows[1].unit"),
        ({"unit": ["a", "x" * 257]}, "rows[1].unit"),
    ],
)
def test_what_is_no_name_is_refused(params: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        with_params(ROWS, params)
    assert caught.value.faults[0].field == field
