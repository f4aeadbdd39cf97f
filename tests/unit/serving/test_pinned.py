"""Requests that name a version, or ask for an explanation, or whose policy says what is recorded."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import InvalidInput, MissingFeature, NotReady, UnknownVersion
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Task
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.serving import Deployment, ServedModel, Snapshot
from tropism.serving.model_cache import ModelCache
from tropism.serving.options import PLAIN, PredictOptions
from tropism.serving.outcomes import Outcomes
from tropism.serving.predictions import Predictions
from tropism.serving.predictor import Predictor
from tropism.serving.privacy import Privacy
from tropism.serving.turns import Turns

FEATURES = {"demand": 1.0, "zone": "north", "holiday": True}
SECRET = b"s" * 32


@pytest.fixture
def linear() -> tuple[Task, Model]:
    """A task and a real model that can be explained."""
    task = Task(name="line", kind="regression", target="y", features=(Feature("a"), Feature("b")))
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 2))
    table = pa.table({"a": rows[:, 0], "b": rows[:, 1]})
    return task, fit_model(task, "linear", Dataset(table, rows @ [2.0, -1.0] + 3.0, np.arange(200)))


def show(desk: Any, *deployments: Deployment) -> None:
    desk.holder.current = Snapshot(1, {one.task.name: one for one in deployments})


def service(desk: Any, **parts: Any) -> Predictions:
    return Predictions(desk.parts._replace(**parts))


async def ask(predictions: Predictions, content: Any, options: PredictOptions = PLAIN, task: str = "price") -> Any:
    return json.loads(await predictions.predict(task, json.dumps(content).encode(), options))


async def test_a_version_that_is_not_live_answers_and_is_recorded_as_pinned(
    desk: Any, price: Task, stub_model: Any
) -> None:
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8))))
    models = ModelCache(lambda _, version: stub_model(version / 10), 5)
    reply = await ask(service(desk, models=models), {"features": FEATURES}, PredictOptions(version=1))
    assert (reply["version"], reply["variant"], reply["degraded"]) == (1, "pinned", [])
    assert reply["probabilities"]["true"] == pytest.approx(0.1)
    (event,) = desk.recorded()
    assert (event.version, event.variant, event.scores) == (1, "pinned", (0.1,))


async def test_the_live_version_is_pinned_too_when_it_is_named(desk: Any, price: Task, stub_model: Any) -> None:
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8)), ServedModel(2, stub_model(0.7))))
    for version, chance in ((3, 0.8), (2, 0.7)):
        reply = await ask(service(desk), {"features": FEATURES}, PredictOptions(version=version))
        assert (reply["version"], reply["variant"]) == (version, "pinned")
        assert reply["probabilities"]["true"] == chance
    with pytest.raises(UnknownVersion):
        await ask(service(desk), {"features": FEATURES}, PredictOptions(version=1))


async def test_nothing_stands_in_for_a_pinned_version_that_fails(desk: Any, price: Task, stub_model: Any) -> None:
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8)), ServedModel(2, stub_model(0.7))))
    predictions = service(desk, models=ModelCache(lambda *_: stub_model(math.nan), 5))
    for _ in range(7):  # more often than it takes to be put to rest
        with pytest.raises(NotReady) as refused:
            await ask(predictions, {"features": FEATURES}, PredictOptions(version=1))
        assert "version 1 of 'price'" in refused.value.message
    assert desk.recorded() == []
    assert (await ask(predictions, {"features": FEATURES}))["version"] == 3


async def test_an_explanation_comes_when_it_is_asked_for_either_way(desk: Any, linear: Any) -> None:
    task, model = linear
    show(desk, Deployment(task, ServedModel(1, model)))
    predictions = service(desk)
    body = {"features": {"a": 1.0, "b": 2.0}}
    plain = await ask(predictions, body, task="line")
    assert "explanation" not in plain
    asked = await ask(predictions, body, PredictOptions(explain=True), "line")
    told = asked["explanation"]
    assert told["space"] == "score"
    total = told["baseline"][0] + sum(values[0] for values in told["contributions"].values())
    assert total == pytest.approx(plain["prediction"])
    assert (await ask(predictions, {**body, "explain": True}, task="line"))["explanation"] == told
    many = await ask(predictions, {"instances": [body, body], "explain": True}, task="line")
    assert [one["explanation"] for one in many["predictions"]] == [told, told]
    with pytest.raises(InvalidInput, match="true or false"):
        await ask(predictions, {**body, "explain": "yes"}, task="line")


async def test_a_model_that_cannot_explain_answers_and_says_so(desk: Any, price: Task, stub_model: Any) -> None:
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8))))
    reply = await ask(service(desk), {"features": FEATURES}, PredictOptions(explain=True))
    assert reply["version"] == 3
    assert "explanation" not in reply
    assert reply["warnings"] == ["no explanation: explaining it failed; the server's log says why"]
    show(desk, Deployment(price))
    reply = await ask(service(desk), {"features": FEATURES}, PredictOptions(explain=True))
    assert reply["warnings"] == ["no explanation: the baseline answered, which looks at no features"]


def private(price: Task, **policy: Any) -> Task:
    return msgspec.structs.replace(price, journal=JournalPolicy(**policy))


async def test_a_sample_is_recorded_and_every_other_reply_says_that_it_was_not(
    desk: Any, price: Task, stub_model: Any
) -> None:
    show(desk, Deployment(private(price, sample=0.3), ServedModel(3, stub_model(0.8))))
    predictions = service(desk)
    replies = [await ask(predictions, {"features": FEATURES}) for _ in range(40)]
    told = {one["prediction_id"] for one in replies if "recorded" not in one}
    left = [one for one in replies if one.get("recorded") is False]
    assert 0 < len(told) < 40
    assert {event.id for event in desk.recorded()} == told
    assert len(left) + len(told) == 40
    assert all(one["warnings"] == ["not recorded: the task's journal policy samples 0.3"] for one in left)
    assert desk.meters.unrecorded.values == {("price",): len(left)}
    body = {"features": FEATURES, "prediction_id": left[0]["prediction_id"]}
    assert (await ask(predictions, body))["recorded"] is False, "a retry is decided alike"


async def test_rows_of_a_request_are_sampled_each_for_itself(desk: Any, price: Task, stub_model: Any) -> None:
    show(desk, Deployment(private(price, sample=0.5), ServedModel(3, stub_model(0.8))))
    predictions = service(desk)
    rows: list[Any] = []
    for _ in range(10):
        rows += (await ask(predictions, {"instances": [{"features": FEATURES}] * 5}))["predictions"]
    kept = {one["prediction_id"] for one in rows if "recorded" not in one}
    assert 0 < len(kept) < 50
    assert {event.id for event in desk.recorded()} == kept


async def test_what_is_recorded_is_redacted_and_hashed_and_outcomes_still_meet_it(
    desk: Any, price: Task, stub_model: Any
) -> None:
    task = private(price, redact=("demand",), hash=("zone", "entity"))
    seen: list[Any] = []
    model = stub_model(0.8)
    plain = model.predict_rows

    def watched(rows: list[Any], at: Any = None) -> Any:
        seen.extend(rows)
        return plain(rows, at)

    model.predict_rows = watched
    show(desk, Deployment(task, ServedModel(3, model)))
    parts = desk.parts._replace(privacy=Privacy(SECRET))
    await ask(Predictions(parts), {"features": FEATURES, "entity": "ann"})
    outcome = {"task": "price", "entity": "ann", "at": desk.clock.now(), "outcome": True}
    await Outcomes(parts).accept(json.dumps(outcome).encode())
    prediction, learnt = desk.recorded()
    zone = Privacy(SECRET).hashed("price", "zone", "north")
    assert prediction.features == {"demand": None, "zone": zone, "holiday": True}
    assert prediction.entity == learnt.entity == Privacy(SECRET).hashed("price", "entity", "ann")
    assert seen == [{"demand": 1.0, "zone": zone, "holiday": True}]


async def test_a_hash_that_cannot_be_made_records_nothing(desk: Any, price: Task, stub_model: Any) -> None:
    show(desk, Deployment(private(price, hash=("zone",)), ServedModel(3, stub_model(0.8))))
    with pytest.raises(NotReady):
        await ask(service(desk), {"features": FEATURES})
    assert desk.recorded() == []


def test_a_task_with_a_policy_has_no_short_way(linear: Any) -> None:
    task, model = linear
    assert Deployment(task, ServedModel(1, model)).lane is not None
    hidden = msgspec.structs.replace(task, journal=JournalPolicy(sample=0.5))
    assert Deployment(hidden, ServedModel(1, model)).lane is None


async def test_a_kept_score_is_a_prediction_of_its_own_that_says_so(desk: Any, price: Task, stub_model: Any) -> None:
    desk.settings = msgspec.structs.replace(desk.settings, prediction_cache=10)
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8))))
    predictions = service(desk)
    first, second = [await ask(predictions, {"features": FEATURES}) for _ in range(2)]
    assert "cached" not in first
    assert second["cached"] is True
    assert second["warnings"] == ["the scores were kept from an equal row, asked for a short while ago"]
    assert first["prediction_id"] != second["prediction_id"]
    assert [event.id for event in desk.recorded()] == [first["prediction_id"], second["prediction_id"]]


async def test_left_out_features_come_from_the_entity_s_last_request(desk: Any, price: Task, stub_model: Any) -> None:
    desk.settings = msgspec.structs.replace(desk.settings, feature_cache_ttl="1m")
    show(desk, Deployment(price, ServedModel(3, stub_model(0.8))))
    predictions = service(desk)
    with pytest.raises(MissingFeature):
        await ask(predictions, {"features": {"demand": 2.0}, "entity": "e"})
    await ask(predictions, {"features": FEATURES, "entity": "e"})
    reply = await ask(predictions, {"instances": [{"features": {"demand": 2.0}, "entity": "e"}]})
    (one,) = reply["predictions"]
    assert one["degraded"] == ["features-cached"]
    assert one["warnings"] == [
        'zone: not sent, "north" of the entity\'s last request was used',
        "holiday: not sent, its default false was used",
    ]
    assert desk.recorded()[-1].features == {"demand": 2.0, "zone": "north", "holiday": False}
    assert desk.meters.degraded.values == {("price", "features-cached"): 1}
    with pytest.raises(MissingFeature):
        await ask(predictions, {"features": {"demand": 2.0}, "entity": "f"})


@pytest.mark.parametrize(
    ("settings", "taken"),
    [({}, True), ({"prediction_cache": 5}, False), ({"feature_cache_ttl": "1m"}, False)],
)
async def test_what_has_more_to_say_goes_the_long_way(
    desk: Any, linear: Any, settings: dict[str, Any], taken: bool
) -> None:
    class Nobody:
        def reply(self, body: bytes) -> None: ...
        def refuse(self, error: Exception) -> None: ...
        def ask_long(self) -> None: ...

    task, model = linear
    desk.settings = msgspec.structs.replace(desk.settings, **settings)
    show(desk, Deployment(task, ServedModel(1, model)))
    body = json.dumps({"features": {"a": 1.0, "b": 2.0}, "entity": "e"}).encode()
    assert Turns(desk.parts, Predictor()).take("line", body, Nobody()) is taken
