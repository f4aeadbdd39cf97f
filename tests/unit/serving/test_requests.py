from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import InputError, InvalidInput, MissingFeature, TooLarge
from tropism.core.faults import MOST
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Task
from tropism.serving import Deployment
from tropism.serving.requests import Limits, read_predict

NOW = 1_700_000_000 * SECOND
FEATURES = {"demand": 1, "zone": "north"}
LIMITS = Limits(rows=3, tolerance=60 * SECOND)


def read(content: Any, task: Task) -> Any:
    return read_predict(json.dumps(content).encode(), Deployment(task), NOW, LIMITS)


def refused(content: Any, task: Task) -> InputError:
    with pytest.raises(InputError) as caught:
        read(content, task)
    return caught.value


def test_one_row(price: Task) -> None:
    made = Identifiers().new(NOW, task_tag("price"))
    sent = {"features": FEATURES, "entity": "e", "unit": "u", "at": "2023-11-14T00:00:00Z", "prediction_id": made}
    (ask,), many = read(sent, price)
    assert not many
    assert ask.row == {"demand": 1.0, "zone": "north", "holiday": False}
    assert (ask.entity, ask.unit, ask.prediction_id) == ("e", "u", made)
    assert ask.at == 1_699_920_000 * SECOND


def test_many_rows_keep_their_order(price: Task) -> None:
    asks, many = read({"instances": [{"features": {**FEATURES, "demand": n}} for n in (3, 1, 2)]}, price)
    assert many
    assert [ask.row["demand"] for ask in asks] == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("content", "field", "fix"),
    [
        ([FEATURES], "body", "send {"),
        (7, "body", "send {"),
        ({}, "features", "with: demand, zone, holiday"),
        ({"features": [1]}, "features", "with: demand, zone, holiday"),
        (FEATURES, "features", "put the features inside"),
        ({"features": FEATURES, "entiy": "a"}, "entiy", "did you mean 'entity'?"),
        ({"features": FEATURES, "entity": 5}, "entity", "send it as a string"),
        ({"features": FEATURES, "at": "tomorrow"}, "at", "ISO 8601"),
        ({"features": FEATURES, "at": NOW + 120 * SECOND}, "at", "2023-11-14T22:13:20Z"),
        ({"features": FEATURES, "prediction_id": "abc"}, "prediction_id", "of a reply"),
        ({"features": FEATURES, "prediction_id": Identifiers().new(NOW, 1)}, "prediction_id", "tag of this task"),
        ({"instances": []}, "instances", "at least one"),
        ({"instances": {}}, "instances", "at least one"),
        ({"instances": [3]}, "instances[0]", "features"),
        ({"instances": [{"features": FEATURES}], "entity": "a"}, "entity", "each element"),
    ],
)
def test_what_cannot_be_used_is_named(content: Any, field: str, fix: str, price: Task) -> None:
    error = refused(content, price)
    assert isinstance(error, InvalidInput)
    assert error.faults[0].field == field
    assert fix in error.faults[0].fix


def test_every_fault_of_every_row_is_named(price: Task) -> None:
    rows = [{"features": FEATURES}, {"features": {"zone": "a"}}, {"features": {"demand": 1}}]
    error = refused({"instances": rows}, price)
    assert isinstance(error, MissingFeature)
    fields = [fault.field for fault in error.faults]
    assert fields == ["instances[1].features.demand", "instances[2].features.zone"]


def test_too_many_rows_say_how_many_are_taken(price: Task) -> None:
    error = refused({"instances": [{"features": FEATURES}] * 4}, price)
    assert isinstance(error, TooLarge)
    assert error.faults[0].fix == "predict in batches of at most 3 (max_rows)"


def test_one_id_may_not_name_two_rows(price: Task) -> None:
    row = {"features": FEATURES, "prediction_id": Identifiers().new(NOW, task_tag("price"))}
    assert refused({"instances": [row, row]}, price).faults[0].field == "instances[1].prediction_id"


def test_thousands_of_wrong_names_are_refused_without_a_search_for_each(
    price: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    monkeypatch.setattr("tropism.serving.rows.close_to", lambda name, known: searched.append(name))
    error = refused({"features": {f"x{n}": 1 for n in range(5_000)}}, price)
    assert len(error.faults) == MOST + 1
    assert len(searched) <= MOST
