from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tropism.core.errors import ArtifactTampered
from tropism.core.identity import task_tag
from tropism.core.task import Task
from tropism.serving import LiveTask, SnapshotLoader
from tropism.serving.meters import Meters


class Registry:
    """What is live, and which versions can be loaded."""

    def __init__(self, task: Task, model: Any) -> None:
        self.task = task
        self.model = model
        self.generation = 1
        self.champion: int | None = 1
        self.previous: int | None = None
        self.refused: set[int] = set()
        self.quarantined: frozenset[int] = frozenset()
        self.meters = Meters()
        self.marked: list[tuple[int, int] | None] = []
        self.fetched: list[int] = []

    def loader(self) -> SnapshotLoader:
        def live() -> list[LiveTask]:
            return [LiveTask(self.task, self.champion, self.previous, quarantined=self.quarantined)]

        return SnapshotLoader(lambda: self.generation, live, self.fetch, self, self.meters)

    def enter(self, tag: int, version: int) -> None:
        self.marked.append((tag, version))

    def leave(self) -> None:
        self.marked.append(None)

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


def test_a_champion_in_quarantine_is_let_go_and_never_loaded(registry: Registry) -> None:
    load = registry.loader()
    registry.champion, registry.previous = 2, 1
    load()
    registry.quarantined, registry.generation = frozenset({2}), 2
    for loader in (load, registry.loader()):  # one that has been serving it, and one after a restart
        registry.fetched.clear()
        snapshot = loader()
        deployment = snapshot.deployments["price"]
        assert deployment.served is not None
        assert (deployment.served.version, deployment.degraded) == (1, ("champion-quarantined",))
        assert not snapshot.incomplete, "there is nothing to try again"
        assert 2 not in registry.fetched
    assert registry.meters.quarantined == 1


def test_without_a_previous_version_a_quarantine_leaves_the_baseline(registry: Registry) -> None:
    registry.quarantined = frozenset({1})
    deployment = registry.loader()().deployments["price"]
    assert (deployment.served, deployment.degraded) == (None, ("champion-quarantined",))


def test_a_previous_version_in_quarantine_does_not_stand_in(registry: Registry) -> None:
    registry.champion, registry.previous, registry.quarantined = 2, 1, frozenset({1})
    deployment = registry.loader()().deployments["price"]
    assert deployment.served is not None
    assert (deployment.served.version, deployment.previous, deployment.degraded) == (2, None, ())


def test_it_says_which_model_is_being_loaded(registry: Registry) -> None:
    registry.previous, registry.refused = 3, {3}
    registry.loader()()
    tag = task_tag("price")
    assert registry.marked == [(tag, 1), None, (tag, 3), None]


def test_a_deployment_that_did_not_change_is_kept(price: Task, stub_model: Any) -> None:
    live = {name: LiveTask(msgspec.structs.replace(price, name=name), 1) for name in ("a", "b")}
    loader = SnapshotLoader(lambda: 1, live.values, lambda _, version: stub_model(0.1 * version))
    first = loader().deployments
    live["b"] = live["b"]._replace(champion=2, previous=1)
    second = loader().deployments
    assert second["a"] is first["a"]
    assert second["b"].served is not None
    assert second["b"].served.version == 2
    live["a"] = live["a"]._replace(prior=(0.5,))
    third = loader().deployments
    assert third["a"].prior == (0.5,)
    assert third["b"] is second["b"]


def test_features_are_those_of_when_the_snapshot_was_made(registry: Registry) -> None:
    assert registry.loader()().features is None
    readers: list[Any] = [object(), object()]
    load = SnapshotLoader(lambda: registry.generation, list, registry.fetch, features=lambda: readers.pop())
    first = load()
    second = load()
    assert first.features is not second.features
    assert not readers
