from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput
from tropism.core.events import Prediction
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.protocols.open_inference_outputs import (
    Wanted,
    check_wanted,
    classes_of,
    outputs_of,
    wanted,
    write_outputs,
)

BINARY = Task(name="b", kind="binary", target="y", features=(Feature("a"),))
COLOUR = Task(name="c", kind="multiclass", target="y", features=(Feature("a"),), classes=("red", "green", "blue"))
AMOUNT = Task(name="r", kind="regression", target="y", features=(Feature("a"),))


def made(task: Task, *scores: tuple[float, ...]) -> list[Prediction]:
    return [
        Prediction(id=f"id-{index}", task=task.name, at=0, features={}, scores=one, version=7)
        for index, one in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("task", "scores", "expected"),
    [
        (
            BINARY,
            (0.25,),
            [("prediction", "BOOL", (2,), [False] * 2), ("probabilities", "FP64", (2, 2), [0.75, 0.25] * 2)],
        ),
        (
            COLOUR,
            (0.25, 0.125, 0.625),
            [("prediction", "BYTES", (2,), ["blue"] * 2), ("probabilities", "FP64", (2, 3), [0.25, 0.125, 0.625] * 2)],
        ),
        (AMOUNT, (9.5,), [("prediction", "FP64", (2,), [9.5] * 2)]),
    ],
)
def test_all_outputs_if_none_is_named(task: Task, scores: tuple[float, ...], expected: list[Any]) -> None:
    found = write_outputs(task, made(task, scores, scores), [])
    assert [tuple(one) for one in found] == [
        *expected,
        ("prediction_id", "BYTES", (2,), ["id-0", "id-1"]),
        ("version", "INT64", (2,), [7, 7]),
    ]
    described = outputs_of(task)
    assert [one.name for one in found] == list(described)
    assert all(one.datatype == described[one.name][0] for one in found)
    assert all(len(one.shape) == len(described[one.name][1]) for one in found)


def test_only_those_that_are_named_in_their_order() -> None:
    found = write_outputs(BINARY, made(BINARY, (0.5,)), [Wanted("version"), Wanted("prediction")])
    assert [one.name for one in found] == ["version", "prediction"]
    assert found[1].values == [True]


def test_the_likeliest_classes_with_their_labels() -> None:
    events = made(COLOUR, (0.25, 0.125, 0.625), (0.5, 0.5, 0.0))
    (found,) = write_outputs(COLOUR, events, [Wanted("probabilities", classes=2)])
    assert (found.datatype, found.shape) == ("BYTES", (2, 2))
    assert found.values == ["0.625000:2:blue", "0.250000:0:red", "0.500000:0:red", "0.500000:1:green"]


def test_more_classes_than_there_are_is_all_of_them() -> None:
    (found,) = write_outputs(BINARY, made(BINARY, (0.25,)), [Wanted("probabilities", classes=9)])
    assert found.shape == (1, 2)
    assert found.values == ["0.750000:0:false", "0.250000:1:true"]
    assert classes_of(AMOUNT) == ()


@pytest.mark.parametrize(
    ("task", "asked", "message"),
    [
        (BINARY, [Wanted("predictions")], 'no output "predictions"'),
        (AMOUNT, [Wanted("probabilities")], 'no output "probabilities"'),
        (BINARY, [Wanted("version"), Wanted("version")], "named twice"),
        (BINARY, [Wanted("prediction", classes=2)], "has no classes"),
    ],
)
def test_outputs_that_there_are_not(task: Task, asked: list[Wanted], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_wanted(task, asked)


def test_parameters_say_how_an_output_is_sent() -> None:
    assert wanted("a", {}, binary=True) == Wanted("a", binary=True)
    assert wanted("a", {"binary_data": False, "other": [1]}, binary=True) == Wanted("a")
    assert wanted("a", {"classification": 3}) == Wanted("a", 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"classification": -1},
        {"classification": True},
        {"classification": "2"},
        {"binary_data": 1},
        {"binary_data": None},
        {"shared_memory_region": "r"},
    ],
)
def test_parameters_that_do_not_fit(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        wanted("a", parameters)
    assert '"a"' in caught.value.message
    assert caught.value.faults[0].fix
