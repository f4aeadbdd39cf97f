from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, InputError, InvalidInput, InvalidOutcome, TooLarge, UnknownTask
from tropism.core.events import Outcome
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Task
from tropism.serving import Deployment, Snapshot
from tropism.serving.outcomes import Outcomes

IDS = Identifiers()


@pytest.fixture
def live(desk: Any, price: Task, colour: Task, amount: Task) -> Any:
    desk.holder.current = Snapshot(1, {task.name: Deployment(task) for task in (price, colour, amount)})
    return desk


async def send(desk: Any, content: Any) -> Any:
    return json.loads(await Outcomes(desk.parts).accept(json.dumps(content).encode()))


async def refused(desk: Any, content: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        await send(desk, content)
    assert desk.recorded() == []
    return caught.value


def made_for(task: str, desk: Any) -> str:
    return IDS.new(desk.clock.now(), task_tag(task))


async def test_the_task_is_found_by_the_predictions_id(live: Any) -> None:
    prediction = made_for("colour", live)
    reply = await send(live, {"prediction_id": prediction, "outcome": "blue"})
    assert reply["accepted"] == 1
    now = live.clock.now()
    assert live.recorded()[0] == Outcome(
        id=reply["outcome_ids"][0], task="colour", value=1.0, at=now, received=now, prediction_id=prediction
    )


async def test_an_entity_and_a_time_name_a_prediction(live: Any) -> None:
    await send(live, {"task": "amount", "entity": "e", "at": "2023-11-14T00:00:00Z", "outcome": 4})
    event = live.recorded()[0]
    assert isinstance(event, Outcome)
    assert (event.entity, event.at, event.value, event.prediction_id) == ("e", 1_699_920_000 * SECOND, 4.0, None)
    assert event.received == live.clock.now()


async def test_a_list_is_accepted_in_either_form(live: Any) -> None:
    items = [{"prediction_id": made_for("price", live), "outcome": value} for value in (True, 0)]
    assert (await send(live, items))["accepted"] == 2
    assert (await send(live, {"outcomes": items}))["accepted"] == 2
    assert [event.value for event in live.recorded() if isinstance(event, Outcome)] == [1, 0, 1, 0]


async def test_a_repeated_outcome_keeps_its_id(live: Any) -> None:
    own = made_for("price", live)
    item = {"id": own, "prediction_id": made_for("price", live), "outcome": True}
    assert (await send(live, item))["outcome_ids"] == [own]


async def test_one_bad_element_refuses_all_and_every_bad_one_is_named(live: Any) -> None:
    good = {"prediction_id": made_for("price", live), "outcome": True}
    error = await refused(live, [good, {**good, "outcome": "yes"}, good, 5, {"outcome": True}])
    assert isinstance(error, InvalidOutcome)
    assert [fault.field for fault in error.faults] == ["[1].outcome", "[3]", "[4].prediction_id"]
    assert error.faults[0].fix == "send true or false"


async def test_an_outcome_must_fit_the_task(live: Any) -> None:
    for task, outcome, fix in (
        ("price", 2, "true or false"),
        ("price", None, "true or false"),
        ("colour", "green", "red, blue"),
        ("colour", 1, "red, blue"),
        ("amount", "4", "a number"),
        ("amount", True, "a number"),
        ("amount", 10**400, "a number"),
        ("amount", [1], "a number"),
    ):
        error = await refused(live, {"prediction_id": made_for(task, live), "outcome": outcome})
        assert isinstance(error, InvalidOutcome)
        assert error.faults[0].field == "outcome"
        assert fix in error.faults[0].fix


async def test_a_prediction_of_another_task_is_refused(live: Any) -> None:
    error = await refused(live, {"task": "price", "prediction_id": made_for("colour", live), "outcome": True})
    assert isinstance(error, InvalidOutcome)
    assert error.message == "the outcome is for a prediction of another task"
    error = await refused(live, {"prediction_id": IDS.new(live.clock.now(), 1), "outcome": True})
    assert "amount, colour, price" in error.faults[0].fix


async def test_the_future_is_refused(live: Any) -> None:
    later = live.clock.now() + 61 * SECOND
    error = await refused(live, {"prediction_id": made_for("price", live), "outcome": True, "at": later})
    assert error.faults[0].field == "at"
    error = await refused(live, {"prediction_id": IDS.new(later, task_tag("price")), "outcome": True})
    assert error.faults[0].field == "prediction_id"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"outcome": True}, "prediction_id"),
        ({"task": "price", "entity": "e", "outcome": True}, "prediction_id"),
        ({"prediction_id": "7", "outcome": True}, "prediction_id"),
        ({"task": "price", "entity": "e", "at": 1}, "outcome"),
        ({"task": "price", "entity": "e", "at": 1, "outcom": True}, "outcom"),
        ([], "body"),
        ({"outcomes": {}}, "body"),
        ("x", "body"),
    ],
)
async def test_what_is_left_out_is_named(live: Any, content: Any, field: str) -> None:
    error = await refused(live, content)
    assert isinstance(error, InvalidInput)
    assert field in [fault.field for fault in error.faults]


async def test_an_unknown_task_lists_the_known_ones(live: Any) -> None:
    error = await refused(live, {"task": "prise", "entity": "e", "at": 1, "outcome": True})
    assert isinstance(error, UnknownTask)
    assert "amount, colour, price" in error.faults[0].fix


async def test_too_many_outcomes_say_how_many_are_taken(live: Any) -> None:
    error = await refused(live, [{"prediction_id": made_for("price", live), "outcome": True}] * 6)
    assert isinstance(error, TooLarge)
    assert "at most 5" in error.faults[0].fix


async def test_a_full_disk_accepts_nothing(live: Any) -> None:
    live.fill_disk()
    with pytest.raises(DiskFull):
        await send(live, {"prediction_id": made_for("price", live), "outcome": True})
    assert live.recorded() == []
    assert live.meters.outcomes.values == {}
