from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.bandit import BanditSettings, Revision
from tropism.core.errors import Conflict
from tropism.core.experiment import Experiment, Variant
from tropism.core.task import Feature, Policy, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry

TASK = Task(name="price", kind="regression", target="y", features=(Feature("a"),))


@pytest.fixture(autouse=True)
def _versions(registry: Registry, register: Callable[..., int]) -> None:
    registry.tasks.apply(TASK, now=1)
    for _ in range(2):
        register("price")
    registry.promotion.promote("price", 1, expected=None, actor="me", decision_id="d", policy=Policy(), now=1)


def start(registry: Registry, **fields: Any) -> None:
    variants = (Variant(name="now"), Variant(name="new", version=2))
    spec = Experiment(name="deeper", task="price", mode="bandit", variants=variants, **fields)
    registry.experiments.put(spec, actor="me", now=2)
    registry.experiments.start("deeper", actor="me", now=2)


def revision(number: int = 1, **fields: Any) -> Revision:
    values = {"at": 5, "learned_until": number, "rows": 10, "shares": {"now": 0.3, "new": 0.7}}
    return Revision(number=number, **(values | fields))  # type: ignore[arg-type]


def test_revisions_are_published_one_after_the_other_and_kept(registry: Registry) -> None:
    start(registry)
    before = registry.aliases.generation()
    assert registry.bandits.newest(["deeper"]) == {}
    registry.bandits.publish("deeper", revision(choosing={"a": 1}), actor="loop", now=5)
    second = revision(2, choosing={"a": 2}, least=("new",))
    registry.bandits.publish("deeper", second, actor="loop", now=6)
    assert registry.bandits.newest(["deeper"]) == {"deeper": msgspec.structs.replace(second, at=6)}
    assert [(one.number, one.choosing) for one in registry.bandits.history("deeper")] == [(1, None), (2, {"a": 2})]
    assert registry.aliases.generation() == before + 2
    assert registry.audit.list(1)[0].action == "experiment.shared"
    assert registry.audit.verify() == ()


def test_the_same_again_changes_nothing_and_another_one_in_between_is_refused(registry: Registry) -> None:
    start(registry)
    registry.bandits.publish("deeper", revision(), actor="loop", now=5)
    before = registry.aliases.generation()
    registry.bandits.publish("deeper", revision(), actor="loop", now=9)
    assert registry.aliases.generation() == before
    with pytest.raises(Conflict, match="learn again from revision 1"):
        registry.bandits.publish("deeper", revision(1, learned_until=9), actor="loop", now=9)


def test_an_experiment_that_has_ended_learns_no_more(registry: Registry) -> None:
    start(registry)
    registry.experiments.end("deeper", "stopped", actor="me", now=3)
    with pytest.raises(Conflict, match="has ended"):
        registry.bandits.publish("deeper", revision(), actor="loop", now=5)


def test_contexts_of_features_that_the_task_has_not_are_refused(registry: Registry) -> None:
    with pytest.raises(Conflict, match=r"bandit\.features: got b; use some of: a"):
        start(registry, bandit=BanditSettings(policy="linucb", features=("a", "b")))
