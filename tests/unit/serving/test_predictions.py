from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, InputError, NotReady
from tropism.core.events import Prediction
from tropism.core.identity import Identifiers, tag_of, task_tag
from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel, Snapshot
from tropism.serving.predictions import Predictions

FEATURES = {"demand": 1, "zone": "north", "holiday": True}


async def ask(desk: Any, content: Any, task: str = "price") -> Any:
    return json.loads(await Predictions(desk.parts).predict(task, json.dumps(content).encode()))


@pytest.fixture
def live(desk: Any, price: Task, colour: Task, amount: Task, stub_model: Any) -> Any:
    deployments = (
        Deployment(price, ServedModel(3, stub_model(0.8))),
        Deployment(colour, ServedModel(1, stub_model(0.4, 0.6))),
        Deployment(amount, ServedModel(2, stub_model(12.5))),
    )
    desk.holder.current = Snapshot(1, {one.task.name: one for one in deployments})
    return desk


async def test_a_reply_says_what_was_predicted_and_by_what(live: Any) -> None:
    reply = await ask(live, {"features": FEATURES, "entity": "e1", "unit": "u1"})
    assert tag_of(reply.pop("prediction_id")) == task_tag("price")
    assert reply.pop("probabilities") == pytest.approx({"false": 0.2, "true": 0.8})
    assert reply == {
        "prediction": True,
        "model": "price",
        "version": 3,
        "variant": "champion",
        "degraded": [],
        "warnings": [],
    }


async def test_the_event_holds_all_that_is_needed_to_replay_it(live: Any) -> None:
    reply = await ask(live, {"features": FEATURES, "entity": "e1", "unit": "u1", "at": 5})
    (record,) = live.recorded()
    assert record == Prediction(
        id=reply["prediction_id"],
        task="price",
        at=5,
        features={"demand": 1.0, "zone": "north", "holiday": True},
        scores=(0.8,),
        version=3,
        entity="e1",
        unit="u1",
    )


async def test_other_kinds_answer_in_their_own_terms(live: Any) -> None:
    multi = await ask(live, {"features": {"hue": 1}}, "colour")
    assert (multi["prediction"], multi["probabilities"]) == ("blue", {"red": 0.4, "blue": 0.6})
    number = await ask(live, {"features": {"size": 1}}, "amount")
    assert number["prediction"] == 12.5
    assert "probabilities" not in number


async def test_many_rows_are_one_reply_and_one_record(live: Any) -> None:
    reply = await ask(live, {"instances": [{"features": FEATURES}] * 5})
    ids = [one["prediction_id"] for one in reply["predictions"]]
    assert [event.id for event in live.recorded()] == ids
    assert len(set(ids)) == 5


async def test_odd_features_are_answered_with_warnings_and_counted(live: Any) -> None:
    reply = await ask(live, {"features": {"demand": None, "zone": "west"}})
    assert reply["warnings"] == [
        "demand: the value is missing",
        "holiday: not sent, its default false was used",
        "zone: category 'west' is not one that the model knows",
    ]
    assert live.meters.notes.values == {
        ("price", "demand", "missing-value"): 1,
        ("price", "holiday", "default-used"): 1,
        ("price", "zone", "unseen-category"): 1,
    }


async def test_a_task_without_a_model_is_answered_by_the_baseline(desk: Any, price: Task) -> None:
    desk.holder.current = Snapshot(1, {"price": Deployment(price, prior=(0.3,))})
    reply = await ask(desk, {"features": FEATURES})
    assert (reply["prediction"], reply["version"], reply["variant"]) == (False, 0, "baseline")
    assert reply["degraded"] == ["no-model"]
    assert desk.meters.degraded.values == {("price", "no-model"): 1}


async def test_a_client_made_id_is_kept(live: Any) -> None:
    made = Identifiers().new(live.clock.now(), task_tag("price"))
    reply = await ask(live, {"features": FEATURES, "prediction_id": made})
    assert reply["prediction_id"] == made


async def test_without_a_snapshot_the_caller_is_told_to_wait(desk: Any) -> None:
    with pytest.raises(NotReady):
        await ask(desk, {"features": FEATURES})


async def test_a_full_disk_acknowledges_and_records_nothing(live: Any) -> None:
    live.fill_disk()
    with pytest.raises(DiskFull):
        await ask(live, {"features": FEATURES})
    assert live.recorded() == []
    assert live.meters.predictions.values == {}
    assert live.meters.journal_problem


async def test_a_refused_request_records_nothing(live: Any) -> None:
    rows = [{"features": FEATURES}, {"features": {}}]
    with pytest.raises(InputError):
        await ask(live, {"instances": rows})
    assert live.recorded() == []


async def test_the_moment_is_now_when_none_is_given(live: Any) -> None:
    live.clock.advance(7 * SECOND)
    await ask(live, {"features": FEATURES})
    assert live.recorded()[0].at == live.clock.now()
