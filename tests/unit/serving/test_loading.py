from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import ArtifactTampered
from tropism.core.task import Task
from tropism.serving import LiveTask, SnapshotLoader


class Registry:
    """What is live, and which versions can be loaded."""

    def __init__(self, task: Task, model: Any) -> None:
        self.task = task
        self.model = model
        self.generation = 1
        self.champion: int | None = 1
        self.previous: int | None = None
        self.refused: set[int] = set()
        self.fetched: list[int] = []

    def loader(self) -> SnapshotLoader:
        return SnapshotLoader(
            lambda: self.generation, lambda: [LiveTask(self.task, self.champion, self.previous)], self.fetch
        )

    def fetch(self, task: Task, version: int) -> Any:
        self.fetched.append(version)
        if version in self.refused:
            raise ArtifactTampered(f"artifact of {version} was changed")
        return self.model(0.1 * version)


@pytest.fixture
def registry(price: Task, stub_model: Any) -> Registry:
    return Registry(price, stub_model)


def test_models_that_stay_live_are_loaded_once(registry: Registry) -> None:
    load = registry.loader()
    first = load()
    registry.champion, registry.previous, registry.generation = 2, 1, 2
    second = load()
    assert registry.fetched == [1, 2]
    assert second.generation == 2
    assert second.deployments["price"].previous is first.deployments["price"].served
    registry.champion, registry.previous = 3, 2
    load()
    registry.champion, registry.previous = 1, 3
    load()
    assert registry.fetched == [1, 2, 3, 1], "a version that left is let go"


def test_a_refused_champion_leaves_the_serving_version_in_place(registry: Registry) -> None:
    load = registry.loader()
    load()
    registry.champion, registry.previous, registry.refused = 2, 1, {2}
    snapshot = load()
    deployment = snapshot.deployments["price"]
    assert deployment.served is not None
    assert (deployment.served.version, deployment.degraded) == (1, ("champion-unavailable",))
    assert snapshot.incomplete
    registry.refused = set()
    mended = load()
    assert mended.deployments["price"].served is not None
    assert mended.deployments["price"].served.version == 2
    assert not mended.incomplete


def test_after_a_restart_the_previous_version_stands_in(registry: Registry) -> None:
    registry.champion, registry.previous, registry.refused = 2, 1, {2}
    deployment = registry.loader()().deployments["price"]
    assert deployment.served is not None
    assert deployment.served.version == 1


def test_a_model_that_cannot_answer_is_not_let_in(registry: Registry) -> None:
    registry.champion = 20  # it would score 2.0, which is no probability
    deployment = registry.loader()().deployments["price"]
    assert deployment.served is None
    assert deployment.degraded == ("champion-unavailable",)


def test_a_task_without_a_model_is_whole(registry: Registry) -> None:
    registry.champion = None
    snapshot = registry.loader()()
    assert snapshot.deployments["price"].served is None
    assert not snapshot.incomplete
    assert snapshot.deployments["price"].degraded == ()
