from __future__ import annotations

import logging
from typing import Any

import pytest

from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel
from tropism.serving.predictor import Predictor, unseen

ROW: dict[str, Any] = {"demand": 1.0, "zone": "north", "holiday": False}


def fail() -> None:
    raise RuntimeError("out of cheese")


def answered(deployment: Deployment) -> tuple[Any, ...]:
    answer = Predictor().answer(deployment, [ROW], [0])
    return answer.scores, answer.version, answer.variant, answer.degraded


def test_the_champion_answers(price: Task, stub_model: Any) -> None:
    deployment = Deployment(price, ServedModel(2, stub_model(0.2)), ServedModel(1, stub_model(0.1)))
    assert answered(deployment) == ([(0.2,)], 2, "champion", ())


def test_the_previous_version_answers_for_a_champion_that_raises(price: Task, stub_model: Any) -> None:
    deployment = Deployment(price, ServedModel(2, stub_model(0.2, act=fail)), ServedModel(1, stub_model(0.1)))
    assert answered(deployment) == ([(0.1,)], 1, "champion", ("champion-failed",))


def test_the_baseline_answers_when_all_models_fail(price: Task, stub_model: Any) -> None:
    broken, mad = stub_model(0.2, act=fail), stub_model(float("nan"))
    deployment = Deployment(price, ServedModel(2, broken), ServedModel(1, mad), prior=(0.3,))
    assert answered(deployment) == ([(0.3,)], 0, "baseline", ("champion-failed", "previous-failed"))


def test_the_baseline_answers_without_a_model(price: Task) -> None:
    assert answered(Deployment(price)) == ([(0.5,)], 0, "baseline", ("no-model",))


def test_a_stand_in_is_not_asked_twice(price: Task, stub_model: Any) -> None:
    calls: list[int] = []

    def count_and_fail() -> None:
        calls.append(1)
        fail()

    only = ServedModel(1, stub_model(0.1, act=count_and_fail))
    deployment = Deployment(price, only, only, degraded=("champion-unavailable",))
    assert answered(deployment)[3] == ("champion-unavailable", "champion-failed")
    assert len(calls) == 1


def test_a_failing_model_is_logged_once_and_then_left_alone(
    price: Task, stub_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    predictor, deployment = Predictor(), Deployment(price, ServedModel(2, stub_model(0.2, act=fail)))
    with caplog.at_level(logging.ERROR):
        replies = [predictor.answer(deployment, [ROW], [0]).degraded for _ in range(7)]
    assert replies == [("champion-failed",)] * 5 + [("champion-resting",)] * 2
    assert ["left alone" in record.message for record in caplog.records] == [False, True]


def test_categories_that_the_model_does_not_know_are_noted(stub_model: Any) -> None:
    model = ServedModel(1, stub_model(0.5))
    assert [note.feature for note in unseen(model, {"zone": "west"})] == ["zone"]
    assert unseen(model, {"zone": "north"}) == unseen(model, {"zone": None}) == unseen(None, {"zone": "west"}) == []
