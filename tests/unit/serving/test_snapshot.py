from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import UnknownTask
from tropism.core.identity import task_tag
from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel, Snapshot


def test_an_unknown_task_lists_the_known_ones(price: Task, colour: Task) -> None:
    snapshot = Snapshot(1, {task.name: Deployment(task) for task in (price, colour)})
    with pytest.raises(UnknownTask) as caught:
        snapshot.deployment("prise")
    assert caught.value.faults[0].fix == "did you mean 'price'? The tasks are: colour, price"
    with pytest.raises(UnknownTask) as caught:
        Snapshot(1, {}).deployment("price")
    assert "tropism apply" in caught.value.faults[0].fix


def test_deployments_are_found_by_the_tag_of_an_id(price: Task) -> None:
    deployment = Deployment(price)
    assert Snapshot(1, {"price": deployment}).tagged[task_tag("price")] == (deployment,)


def test_the_baseline_is_the_prior_or_says_nothing(price: Task, colour: Task, amount: Task) -> None:
    assert [Deployment(task).baseline for task in (price, colour, amount)] == [(0.5,), (0.5, 0.5), (0.0,)]
    assert Deployment(price, prior=(0.1,)).baseline == (0.1,)


def test_a_served_model_says_which_categories_it_knows(stub_model: Any) -> None:
    assert ServedModel(1, stub_model(0.5)).categories == {"zone": frozenset(("north", "south"))}
