from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.errors import InvalidInput, NotFound
from tropism.core.task import Task
from tropism.entrypoints.lineage import lineage, lineage_events
from tropism.registry.lineage import Graph, link_training
from tropism.wiring import Platform

SET = "payments/1111111111111111"


@pytest.fixture
def trained(platform: Platform, payments: Task, register: Callable[..., int]) -> Platform:
    """Version 1 of `payments`, with its training linked."""
    version = register(1)
    data = platform.registry.versions.get("payments", version).data | {"lake": {"predictions": {}, "outcomes": {}}}
    link_training(platform.registry, payments, version, data, platform.clock.now())
    return platform


def keys(found: Graph) -> set[tuple[str, str]]:
    return {node.key for node in found.nodes}


ABOVE = {
    ("lake", "payments/predictions"),
    ("lake", "payments/outcomes"),
    ("training-set", SET),
    ("model", "payments/1"),
}


def test_a_prediction_leads_up_to_its_model_and_on(trained: Platform, live: Callable[..., list[str]]) -> None:
    (made,) = live(1, version=1)
    found = lineage(trained, "prediction", made)
    assert keys(found) == {("prediction", made), *ABOVE}
    (facts,) = [node.facts for node in found.nodes if node.kind == "prediction"]
    assert (facts["task"], facts["version"], facts["variant"]) == ("payments", 1, "champion")
    assert keys(lineage(trained, "prediction", made, "down")) == {("prediction", made)}


def test_a_prediction_of_the_baseline_has_no_model(platform: Platform, live: Callable[..., list[str]]) -> None:
    (made,) = live(1, version=0)
    found = lineage(platform, "prediction", made)
    assert keys(found) == {("prediction", made)}
    assert found.nodes[0].facts["variant"] == "baseline"


def test_a_model_leads_down_to_how_many_predictions_it_made(trained: Platform, live: Callable[..., list[str]]) -> None:
    live(30, version=1, days_ago=9.5)
    live(12, version=1, days_ago=7.5)
    live(5, version=0)
    found = lineage(trained, "model", "payments/1", "down")
    assert keys(found) == {("model", "payments/1"), ("predictions", "payments/1")}
    (facts,) = [node.facts for node in found.nodes if node.kind == "predictions"]
    assert facts["total"] == 42
    assert sum(facts["days"].values()) == 42
    assert list(facts["days"]) == sorted(facts["days"])
    assert ("predictions", "payments/1") in keys(lineage(trained, "lake", "payments/outcomes", "down"))
    assert ("predictions", "payments/1") not in keys(lineage(trained, "model", "payments/1", "up"))
    assert keys(lineage(trained, "model", "payments/1")) == {*ABOVE, ("predictions", "payments/1")}


def test_a_model_without_predictions_has_none_below_it(trained: Platform) -> None:
    assert keys(lineage(trained, "model", "payments", "down")) == {("model", "payments/1")}


def test_events_are_whole_whichever_way_was_asked(trained: Platform) -> None:
    up = lineage_events(trained, lineage(trained, "model", "payments/1", "up"))
    down = lineage_events(trained, lineage(trained, "lake", "payments/outcomes", "down"))
    assert up == down
    assert [event["job"]["name"] for event in up] == ["training-set/payments", "training/payments"]
    assert {event["job"]["namespace"] for event in up} == {"tropism://shop"}
    assert {one["name"] for one in up[0]["inputs"]} == {"lake/payments/predictions", "lake/payments/outcomes"}
    (other,) = {
        event["job"]["namespace"] for event in lineage_events(trained, lineage(trained, "model", "payments"), "x")
    }
    assert other == "x"


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [("prediction", "42", InvalidInput), ("cake", "x", InvalidInput), ("source", "x", NotFound)],
)
def test_what_is_not_there_is_refused(platform: Platform, kind: str, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        lineage(platform, kind, name)
