from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tropism.core.events import Prediction
from tropism.core.task import Task
from tropism.serving.replies import Replies, reply_of
from tropism.serving.rows import Note


def made(task: Task, *scores: float, **more: Any) -> Prediction:
    return Prediction(id="p1", task=task.name, at=5, features={}, scores=scores, version=3, **more)


def sent(reply: object) -> Any:
    return json.loads(msgspec.json.encode(reply))


def test_a_reply_says_it_in_the_users_terms(price: Task) -> None:
    event = made(price, 0.75, variant="baseline", degraded=("no-model",))
    assert sent(reply_of(price, event, [Note("missing-value", "demand", "demand: the value is missing")])) == {
        "prediction_id": "p1",
        "prediction": True,
        "probabilities": {"false": 0.25, "true": 0.75},
        "model": "price",
        "version": 3,
        "variant": "baseline",
        "degraded": ["no-model"],
        "warnings": ["demand: the value is missing"],
    }


@pytest.mark.parametrize(("score", "prediction"), [(0.5, True), (0.4999, False)])
def test_a_binary_prediction_is_true_from_one_half(price: Task, score: float, prediction: bool) -> None:
    assert sent(reply_of(price, made(price, score)))["prediction"] is prediction


def test_a_number_has_no_probabilities(amount: Task) -> None:
    reply = sent(reply_of(amount, made(amount, -1.5)))
    assert reply["prediction"] == -1.5
    assert "probabilities" not in reply
    assert (reply["degraded"], reply["warnings"]) == ([], []), "both are always there"


def test_many_are_told_in_order(colour: Task) -> None:
    replies = Replies([reply_of(colour, made(colour, score, 1 - score)) for score in (0.9, 0.2)])
    assert [one["prediction"] for one in sent(replies)["predictions"]] == ["red", "blue"]
