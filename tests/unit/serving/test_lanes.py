from __future__ import annotations

import json

import pytest

from tropism.core.task import Feature, Task
from tropism.learners.encoding import Column
from tropism.serving.lanes import Lane, matrix

TASK = Task(
    name="price",
    kind="binary",
    target="up",
    features=(Feature("demand"), Feature("zone", "category"), Feature("holiday", "boolean", default=False)),
)
COLUMNS = (Column("zone", "category", ("north", "south")), Column("holiday", "boolean"), Column("demand", "number"))
ROW = {"demand": 1.5, "zone": "south", "holiday": True}


def body(**changes: object) -> bytes:
    return json.dumps({"features": {**ROW, **changes}}).encode()


def test_a_row_is_read_in_the_models_order() -> None:
    asked = Lane(TASK, COLUMNS).read(body())
    assert asked is not None
    assert (list(asked.codes[0]), asked.many) == ([1.0, True, 1.5], False)
    assert matrix(asked.codes).tolist() == [[1.0, 1.0, 1.5]]


def test_numbers_in_the_tasks_order_are_taken_as_they_are() -> None:
    task = Task(name="t", kind="regression", target="y", features=(Feature("b"), Feature("a")))
    asked = Lane(task, (Column("b", "number"), Column("a", "number"))).read(b'{"features": {"a": 1, "b": 2}}')
    assert asked is not None
    assert matrix(asked.codes).tolist() == [[2.0, 1.0]]


def test_many_rows_keep_their_order_and_whom_they_are_about() -> None:
    rows = [{"features": {**ROW, "demand": index}, "entity": f"e{index}"} for index in range(3)]
    asked = Lane(TASK, COLUMNS).read(json.dumps({"instances": rows}).encode())
    assert asked is not None
    assert [row[2] for row in asked.codes] == [0.0, 1.0, 2.0]
    assert [(one.entity, one.unit) for one in asked.elements] == [("e0", None), ("e1", None), ("e2", None)]
    assert asked.many


@pytest.mark.parametrize(
    "unusual",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 9_000,
        b'{"features": {}}',
        b'{"features": null}',
        b'{"instances": []}',
        body() + b"x",
        body()[:-1],
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body(demand=None),
        body(demand="1"),
        body(demand=True),
        body(demand=1e300),
        body(demand=10**400),
        body(demand=float("nan")),
        body(demand=float("inf")),
        body(zone="west"),
        body(zone=None),
        body(zone=1),
        body(zone="\ud800"),
        body(holiday=1),
        body(holiday=None),
        body(more=1),
        body()[:-1] + b', "at": 5}',
        body()[:-1] + b', "prediction_id": "x"}',
        body()[:-1] + b', "entity": null}',
        body()[:-1] + b', "entity": ""}',
        body()[:-1] + b', "entity": "%b"}' % (b"x" * 257),
        body()[:-1] + b', "entity": "a:b"}',
        body()[:-1] + b', "entity": "a", "entity": "b"}',
        body()[:-1] + b', "features": {}}',
        body().replace(b'"demand"', b'"demand": 2, "demand"'),
        body().replace(b'"demand"', b'"\\u0064emand": 2, "demand"'),
        json.dumps({"features": {"demand": 1.5, "zone": "south"}}).encode(),
        json.dumps({"instances": [{"features": ROW}], "x": 1}).encode(),
        json.dumps({"instances": [{"features": ROW}, 1]}).encode(),
    ],
)
def test_whatever_there_is_something_to_say_of_goes_the_long_way(unusual: bytes) -> None:
    assert Lane(TASK, COLUMNS).read(unusual) is None


def test_there_is_no_lane_to_a_model_with_a_feature_that_the_task_has_not() -> None:
    with pytest.raises(KeyError):
        Lane(TASK, (*COLUMNS, Column("gone", "number")))
