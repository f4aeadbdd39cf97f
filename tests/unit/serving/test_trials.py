from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.experiment import Experiment, Namespace, Variant
from tropism.learners.encoding import Column, Encoding, EncodingFacts
from tropism.registry.experiments import Trial
from tropism.serving import Deployment, LiveTask, ServedModel, Snapshot, SnapshotLoader
from tropism.serving.predictions import Predictions
from tropism.serving.predictor import Predictor
from tropism.serving.trials import RunningTrial
from tropism.serving.turns import Turns

if TYPE_CHECKING:
    from tropism.core.task import Task


def trial(step: int = 4, **given: Any) -> Trial:
    """An experiment on `price` at a step of its ramp; at the last one everybody gets the treatment."""
    variants = (Variant(name="now"), Variant(name="new", version=2))
    spec = Experiment(**{"name": "deeper", "task": "price", "mode": "canary", "variants": variants, **given})
    fields: dict[str, Any] = dict.fromkeys(("created_at", "started_at", "stepped_at"), 1)
    fields |= dict.fromkeys(("ended_at", "ending", "reason", "decision_id"))
    versions = {"now": 1, "new": 2}
    return Trial(name=spec.name, task=spec.task, spec=spec, versions=versions, status="running", step=step, **fields)


def deployment(task: Task, champion: Any, treatment: Any, *trials: Trial) -> Deployment:
    models = {"new": ServedModel(2, treatment)} if treatment is not None else {}
    return Deployment(
        task, ServedModel(1, champion), trials=tuple(RunningTrial.of(one, models) for one in trials or (trial(),))
    )


def asked(desk: Any, live: Deployment, *entities: str | None) -> list[dict[str, Any]]:
    """Replies to one request for rows of these entities."""
    desk.holder.current = Snapshot(1, {"price": live})
    rows = [{"features": {"demand": 1.0, "zone": "north"}, "entity": one} for one in entities]
    body = asyncio.run(Predictions(desk.parts).predict("price", json.dumps({"instances": rows}).encode()))
    return list(json.loads(body)["predictions"])


def variants(desk: Any) -> list[tuple[str, int]]:
    return [(event.variant, event.version) for event in desk.recorded()]


def test_units_of_the_treatment_are_answered_by_its_version(desk: Any, price: Task, stub_model: Any) -> None:
    replies = asked(desk, deployment(price, stub_model(0.1), stub_model(0.9)), "anna", "ben")
    assert [reply["version"] for reply in replies] == [2, 2]
    assert variants(desk) == [("deeper/new", 2)] * 2


def test_each_row_of_a_request_goes_to_its_own_variant_in_its_place(desk: Any, price: Task, stub_model: Any) -> None:
    live = deployment(price, stub_model(0.1), stub_model(0.9), trial(3))
    assigner = RunningTrial.of(trial(3), {}).assigner
    entities = ["anna", "ben", None, "cleo", "dirk"]
    replies = asked(desk, live, *entities)
    expected = [2 if one and assigner.assign(one).variant == "new" else 1 for one in entities]
    assert [reply["version"] for reply in replies] == expected and {1, 2} <= set(expected)
    assert [reply["probabilities"]["true"] for reply in replies] == [0.9 if one == 2 else 0.1 for one in expected]
    by_id = {event.id: event for event in desk.recorded()}
    recorded = [by_id[reply["prediction_id"]] for reply in replies]
    assert [event.entity for event in recorded] == entities
    assert recorded[2].variant == "champion"
    assert {event.variant for event in recorded} == {"champion", "deeper/now", "deeper/new"}


def test_a_treatment_that_fails_is_answered_for_and_still_counts_as_the_treatment(
    desk: Any, price: Task, stub_model: Any
) -> None:
    def fail() -> None:
        raise RuntimeError("out of cheese")

    (reply,) = asked(desk, deployment(price, stub_model(0.1), stub_model(0.9, act=fail)), "anna")
    assert (reply["version"], reply["degraded"]) == (1, ["treatment-failed"])
    assert variants(desk) == [("deeper/new", 1)]


def test_a_treatment_that_could_not_be_loaded_says_so(desk: Any, price: Task, stub_model: Any) -> None:
    (reply,) = asked(desk, deployment(price, stub_model(0.1), None), "anna")
    assert (reply["version"], reply["degraded"]) == (1, ["treatment-unavailable"])


def test_a_unit_takes_part_in_one_experiment_at_most(desk: Any, price: Task, stub_model: Any) -> None:
    low, high = (Namespace(name="trees", start=a, end=b) for a, b in ((0, 0.5), (0.5, 1)))
    live = deployment(
        price, stub_model(0.1), stub_model(0.9), trial(name="low", namespace=low), trial(name="high", namespace=high)
    )
    asked(desk, live, "anna", "ben", "cleo", "dirk", "emma")
    assert {variant for variant, _ in variants(desk)} == {"low/new", "high/new"}


def test_targeting_reads_the_features(desk: Any, price: Task, stub_model: Any) -> None:
    live = deployment(price, stub_model(0.1), stub_model(0.9), trial(targeting="zone == 'south'"))
    (reply,) = asked(desk, live, "anna")
    assert (reply["version"], variants(desk)) == (1, [("champion", 1)])


def test_the_loader_keeps_a_trial_until_it_grows(price: Task, stub_model: Any) -> None:
    running = [trial(0)]
    loaded: list[int] = []

    def fetch(task: Task, version: int) -> Any:
        loaded.append(version)
        return stub_model(0.5)

    loader = SnapshotLoader(lambda: 1, lambda: [LiveTask(price, champion=1, trials=tuple(running))], fetch)
    first, again = loader().deployments["price"], loader().deployments["price"]
    assert again is first and loaded == [1, 2]
    running[:] = [trial(1)]
    grown = loader().deployments["price"]
    assert grown.trials[0].trial.step == 1 and loaded == [1, 2]
    running.clear()
    assert loader().deployments["price"].trials == ()


def test_a_version_that_cannot_be_loaded_is_tried_again(price: Task, stub_model: Any) -> None:
    def fetch(task: Task, version: int) -> Any:
        if version == 2:
            raise OSError("no such blob")
        return stub_model(0.5)

    snapshot = SnapshotLoader(lambda: 1, lambda: [LiveTask(price, champion=1, trials=(trial(),))], fetch)()
    assert snapshot.incomplete
    assert snapshot.deployments["price"].trials[0].models == {}


def test_a_treatment_in_quarantine_is_not_loaded_and_not_waited_for(price: Task, stub_model: Any) -> None:
    live = LiveTask(price, champion=1, quarantined=frozenset({2}), trials=(trial(),))
    snapshot = SnapshotLoader(lambda: 1, lambda: [live], lambda task, version: stub_model(0.5))()
    assert not snapshot.incomplete
    assert snapshot.deployments["price"].trials[0].models == {}


def both_ways(desk: Any, live: Deployment, element: dict[str, Any], *more: dict[str, Any]) -> tuple[Any, Any] | None:
    """Replies and records of the short way and of the long one; None where the short way gives up."""
    desk.holder.current = Snapshot(1, {"price": live})
    body = json.dumps({"instances": [element, *more]} if more else element).encode()
    replies: list[Any] = []
    caller = SimpleNamespace(reply=lambda reply: replies.append(json.loads(reply)), ask_long=lambda: None)

    async def ask() -> bool:
        if not Turns(desk.parts, Predictor()).take("price", body, caller):
            return False
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        replies.append(json.loads(await Predictions(desk.parts).predict("price", body)))
        return True

    before = len(desk.recorded())
    if not asyncio.run(ask()):
        return None
    for one in replies:
        for reply in one.get("predictions", [one]):
            reply.pop("prediction_id")
    made = [msgspec.structs.replace(event, id="") for event in desk.recorded()[before:]]
    short, long = made[: len(made) // 2], made[len(made) // 2 :]
    assert (replies[0], short) == (replies[1], long)
    return replies[0], short


def test_both_ways_give_a_unit_the_same_variant(desk: Any, price: Task, quick_model: Any) -> None:
    live, found = deployment(price, quick_model(), quick_model(), trial(3)), set()
    for number in range(40):
        row = {"features": {"demand": number / 8, "zone": "north", "holiday": True}, "entity": f"user-{number}"}
        told = both_ways(desk, live, row)
        assert told is not None
        found.add((told[1][0].variant, told[0]["version"], told[0]["variant"]))
    assert found == {("deeper/now", 1, "deeper/now"), ("deeper/new", 2, "deeper/new")}


def test_the_short_way_is_for_requests_that_one_variant_answers(desk: Any, price: Task, quick_model: Any) -> None:
    live = deployment(price, quick_model(), quick_model(), trial(3))
    features = {"demand": 1.0, "zone": "north", "holiday": True}
    rows: list[dict[str, Any]] = [{"features": features, "entity": f"user-{number}"} for number in range(12)]
    of = {row["entity"]: RunningTrial.of(trial(3), {}).assigner.assign(row["entity"]).variant for row in rows}
    same = [row for row in rows if of[row["entity"]] == "new"][:4]
    told = both_ways(desk, live, *same)
    assert told is not None and {event.variant for event in told[1]} == {"deeper/new"}
    assert both_ways(desk, live, *rows[:5]) is None and len({of[row["entity"]] for row in rows[:5]}) == 2
    told = both_ways(desk, live, {"features": rows[0]["features"]})
    assert told is not None and told[1][0].variant == "champion", "it names no unit"


def test_a_category_that_only_the_champion_knows_goes_the_long_way(desk: Any, price: Task, quick_model: Any) -> None:
    treatment = quick_model()
    treatment.encoding = Encoding(
        EncodingFacts("codes", (Column("zone", "category", ("north",)), Column("demand", "number")))
    )
    live = deployment(price, quick_model(), treatment)
    row = {"features": {"demand": 1.0, "zone": "south", "holiday": True}, "entity": "anna"}
    assert both_ways(desk, live, row) is None
    (reply,) = asked(desk, live, "anna")
    assert reply["version"] == 2


def test_a_treatment_that_could_not_be_loaded_goes_the_long_way(desk: Any, price: Task, quick_model: Any) -> None:
    row = {"features": {"demand": 1.0, "zone": "south", "holiday": True}, "entity": "anna"}
    assert both_ways(desk, deployment(price, quick_model(), None), row) is None
