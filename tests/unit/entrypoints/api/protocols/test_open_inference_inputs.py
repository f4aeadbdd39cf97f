from __future__ import annotations

import math
from typing import Any

import pytest

from tropism.core.errors import InputError, InvalidInput, MissingFeature, TooLarge, UnknownFeature
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.protocols.open_inference_inputs import read_asks
from tropism.entrypoints.api.protocols.tensors import Tensor, from_json
from tropism.serving import Deployment
from tropism.serving.requests import Ask, Limits

PRICE = Task(
    name="price",
    kind="binary",
    target="up",
    features=(
        Feature("demand"),
        Feature("zone", "category"),
        Feature("holiday", "boolean", default=False),
        Feature("size", nullable=False, default=1.0),
    ),
)
PAIR = Task(name="pair", kind="regression", target="y", features=(Feature("a"), Feature("b", "boolean")))
TEXTS = Task(name="t", kind="regression", target="y", features=(Feature("a", "category"), Feature("b", "category")))


def asks(task: Task, *tensors: Tensor, rows: int = 5) -> list[Ask]:
    return read_asks(tensors, Deployment(task), 0, Limits(rows, 0))


def tensor(name: str, datatype: str, *data: Any, shape: tuple[int, ...] | None = None) -> Tensor:
    return from_json(name, datatype, shape or (len(data),), list(data))


DEMAND = tensor("demand", "FP64", 1.5, 2.5)
ZONE = tensor("zone", "BYTES", "north", "south")


def test_a_tensor_for_each_feature() -> None:
    holiday = tensor("holiday", "BOOL", True, False, shape=(2, 1))
    size = tensor("size", "INT32", 3, 4, shape=(2, 1))
    read = asks(PRICE, size, ZONE, holiday, DEMAND)
    assert [ask.row for ask in read] == [
        {"demand": 1.5, "zone": "north", "holiday": True, "size": 3.0},
        {"demand": 2.5, "zone": "south", "holiday": False, "size": 4.0},
    ]
    assert [ask.notes for ask in read] == [(), ()]


def test_a_feature_that_is_not_sent_takes_its_default() -> None:
    read = asks(PRICE, DEMAND, ZONE)
    assert [ask.row["holiday"] for ask in read] == [False, False]
    assert {note.kind for note in read[0].notes} == {"default-used"}


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_not_a_number_is_a_missing_value(datatype: str) -> None:
    read = asks(PRICE, Tensor("demand", datatype, (2,), [math.nan, 1.0]), ZONE)
    assert [ask.row["demand"] for ask in read] == [None, 1.0]
    assert "missing-value" in {note.kind for note in read[0].notes}


def test_an_empty_text_is_a_missing_category() -> None:
    assert [ask.row["zone"] for ask in asks(PRICE, DEMAND, tensor("zone", "BYTES", "", None))] == [None, None]


def test_booleans_may_come_as_numbers() -> None:
    read = asks(PRICE, DEMAND, ZONE, Tensor("holiday", "FP32", (2,), [1.0, math.nan]))
    assert [ask.row["holiday"] for ask in read] == [True, None]
    assert asks(PRICE, DEMAND, ZONE, tensor("holiday", "UINT8", 0, 1))[1].row["holiday"] is True


@pytest.mark.parametrize("name", ["input", "x", ""])
def test_one_matrix_of_all_features_in_their_order(name: str) -> None:
    matrix = tensor(name, "FP32", 1.5, 1, 2.5, 0, 3.5, 1, shape=(3, 2))
    assert [ask.row for ask in asks(PAIR, matrix)] == [
        {"a": 1.5, "b": True},
        {"a": 2.5, "b": False},
        {"a": 3.5, "b": True},
    ]


def test_a_matrix_of_texts_for_a_task_of_categories() -> None:
    assert asks(TEXTS, tensor("x", "BYTES", "p", "q", shape=(1, 2)))[0].row == {"a": "p", "b": "q"}


def test_a_matrix_of_one_feature() -> None:
    one = Task(name="one", kind="regression", target="y", features=(Feature("a"),))
    assert [ask.row for ask in asks(one, tensor("x", "FP64", 1, 2, shape=(2, 1)))] == [{"a": 1.0}, {"a": 2.0}]


@pytest.mark.parametrize(
    ("task", "tensors", "error", "message"),
    [
        (PRICE, [], InvalidInput, "no inputs"),
        (PRICE, [DEMAND, DEMAND, ZONE], InvalidInput, "sent twice"),
        (PRICE, [ZONE], MissingFeature, 'input "demand" is missing'),
        (PRICE, [DEMAND, ZONE, tensor("demnad", "FP64", 1, 2)], UnknownFeature, 'no input "demnad"'),
        (PRICE, [DEMAND, tensor("zone", "BYTES", "north")], InvalidInput, "differ in their numbers of rows"),
        (PRICE, [DEMAND, tensor("zone", "INT64", 1, 2)], InvalidInput, "'zone' is a category"),
        (PRICE, [tensor("demand", "BYTES", "1", "2"), ZONE], InvalidInput, "'demand' is a number"),
        (PRICE, [tensor("demand", "BOOL", True, True), ZONE], InvalidInput, "'demand' is a number"),
        (PRICE, [DEMAND, ZONE, tensor("holiday", "BYTES", "y", "n")], InvalidInput, "'holiday' is a boolean"),
        (PRICE, [DEMAND, ZONE, tensor("holiday", "INT8", 0, 2)], InvalidInput, "'holiday' is not a boolean"),
        (PRICE, [DEMAND, ZONE, Tensor("size", "FP64", (2,), [1.0, math.nan])], InvalidInput, "'size' is not a number"),
        (PRICE, [Tensor("demand", "FP64", (2,), [1.0, math.inf]), ZONE], InvalidInput, "'demand' is not a number"),
        (PRICE, [tensor("demand", "FP64", shape=(0,)), tensor("zone", "BYTES", shape=(0,))], InvalidInput, "no rows"),
        (PRICE, [tensor("demand", "FP64", 1, shape=(1, 1, 1)), ZONE], InvalidInput, "shape that does not fit"),
        (PRICE, [Tensor("demand", "FP64", (), [1.0]), ZONE], InvalidInput, "shape that does not fit"),
        (PAIR, [tensor("x", "FP64", 1, 2, 3, shape=(1, 3))], InvalidInput, "shape that does not fit"),
        (PAIR, [tensor("x", "FP64", 1, 2, shape=(2, 1))], InvalidInput, 'no input "x", and 2 more'),
        (PAIR, [tensor("x", "FP64", *range(12), shape=(6, 2))], TooLarge, "6 rows are too many"),
        (PAIR, [tensor("x", "FP64", 1, 2, shape=(1, 2))], InvalidInput, "'b' is not a boolean"),
        (PAIR, [tensor("entity", "BYTES", "e")], InvalidInput, "is missing"),
        (PAIR, [tensor("a", "FP64", shape=(0, 5)), tensor("b", "BOOL", True)], InvalidInput, "does not fit"),
    ],
)
def test_what_does_not_fit_is_named(task: Task, tensors: list[Tensor], error: type[InputError], message: str) -> None:
    with pytest.raises(error) as caught:
        asks(task, *tensors)
    assert message in caught.value.message
    assert caught.value.faults[0].fix


def test_every_fault_of_every_row_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        asks(PRICE, tensor("demand", "FP64", 1e301, 2e301), ZONE, tensor("holiday", "INT8", 0, 9))
    assert [fault.field for fault in caught.value.faults] == ["row 0: demand", "row 1: demand", "row 1: holiday"]


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(InvalidInput) as caught:
        asks(PRICE, tensor("demnad", "FP64", 1, 2), ZONE)
    assert caught.value.faults[0].fix == "did you mean 'demand'?"
