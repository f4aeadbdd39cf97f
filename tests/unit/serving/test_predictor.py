from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel, Snapshot
from tropism.serving.predictions import Predictions
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


class Linear:
    """Has no score for a row without its demand."""

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding

    def predict_rows(self, rows: Any, at: Any = None) -> Any:
        return np.array([[np.nan if row.get("demand") is None else 0.9] for row in rows])


def test_a_row_that_lacks_a_value_does_not_take_the_champion_from_others(price: Task, stub_model: Any) -> None:
    predictor, linear = Predictor(), Linear(stub_model(0.1).encoding)
    deployment = Deployment(price, ServedModel(2, linear), ServedModel(1, stub_model(0.1)))
    for _ in range(20):
        answer = predictor.answer(deployment, [{**ROW, "demand": None}], [0])
        assert (answer.scores, answer.version, answer.degraded) == ([(0.1,)], 1, ("champion-unscored",))
    answer = predictor.answer(deployment, [{**ROW, "demand": 1.0}], [0])
    assert (answer.scores, answer.version, answer.degraded) == ([(0.9,)], 2, ())
    with pytest.raises(InvalidInput, match="has no score for rows like these"):
        predictor.pinned(deployment, ServedModel(2, linear), [{**ROW, "demand": None}], [0])


def test_the_other_rows_of_a_request_are_answered_by_the_champion(desk: Any, price: Task, stub_model: Any) -> None:
    linear = Linear(stub_model(0.1).encoding)
    deployment = Deployment(price, ServedModel(2, linear), ServedModel(1, stub_model(0.1)))
    desk.holder.current = Snapshot(1, {"price": deployment})
    rows = [{"features": {"demand": demand, "zone": "north", "holiday": True}} for demand in (1.0, None, 3.0)]
    body = json.dumps({"instances": rows}).encode()
    replies = json.loads(asyncio.run(Predictions(desk.parts).predict("price", body)))["predictions"]
    assert [(reply["version"], reply["degraded"]) for reply in replies] == [
        (2, []),
        (1, ["champion-unscored"]),
        (2, []),
    ]
    assert len(desk.recorded()) == 3


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
