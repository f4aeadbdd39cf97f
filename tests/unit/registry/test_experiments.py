from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.errors import Conflict, NotFound, UnknownTask, UnknownVersion
from tropism.core.experiment import Experiment, Namespace, Variant
from tropism.core.task import Feature, Policy, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry

TASK = Task(name="price", kind="regression", target="y", features=(Feature("a"),))


@pytest.fixture(autouse=True)
def _versions(registry: Registry, register: Callable[..., int]) -> None:
    registry.tasks.apply(TASK, now=1)
    for _ in range(3):
        register("price")
    registry.promotion.promote("price", 1, expected=None, actor="me", decision_id="d", policy=Policy(), now=1)


def canary(name: str = "deeper", version: int = 2, **fields: Any) -> Experiment:
    variants = (Variant(name="now"), Variant(name="new", version=version))
    return Experiment(**{"name": name, "task": "price", "mode": "canary", "variants": variants, **fields})


def test_a_canary_is_declared_started_grown_and_ended(registry: Registry) -> None:
    experiments = registry.experiments
    assert experiments.put(canary(), actor="me", now=2).status == "draft"
    before = registry.aliases.generation()
    started = experiments.start("deeper", actor="me", now=3)
    assert (started.status, started.share, started.versions) == ("running", 0.01, {"now": 1, "new": 2})
    grown = experiments.advance("deeper", 0, actor="loop", now=4)
    assert (grown.step, grown.share, grown.stepped_at, grown.started_at) == (1, 0.05, 4, 3)
    assert experiments.all(status="running") == (grown,)
    ended = experiments.end("deeper", "promoted", actor="loop", now=5, reason="better", decision_id="x")
    assert (ended.status, ended.ending, ended.ended_at, ended.decision_id) == ("ended", "promoted", 5, "x")
    assert registry.aliases.generation() == before + 3
    actions = [entry.action for entry in registry.audit.list(4)]
    assert actions == ["experiment.ended", "experiment.advanced", "experiment.started", "experiment.declared"]


def test_steps_may_run_again(registry: Registry) -> None:
    experiments = registry.experiments
    for now in (2, 3):
        experiments.put(canary(), actor="me", now=now)
        started = experiments.start("deeper", actor="me", now=now)
    assert started.started_at == 2
    assert experiments.advance("deeper", 0, actor="loop", now=4) == experiments.advance(
        "deeper", 0, actor="loop", now=5
    )
    assert experiments.end("deeper", "kept", actor="x", now=6) == experiments.end("deeper", "kept", actor="x", now=7)
    assert registry.audit.verify() == ()


def test_what_has_started_stays_as_it_is(registry: Registry) -> None:
    experiments = registry.experiments
    experiments.put(canary(), actor="me", now=2)
    experiments.put(canary(version=3), actor="me", now=3)
    assert experiments.start("deeper", actor="me", now=4).versions["new"] == 3
    with pytest.raises(Conflict, match="has started, so it stays as it is"):
        experiments.put(canary(), actor="me", now=5)


def test_a_step_that_somebody_else_took_is_not_taken_twice(registry: Registry) -> None:
    experiments = registry.experiments
    experiments.put(canary(), actor="me", now=2)
    with pytest.raises(Conflict, match="has not started"):
        experiments.advance("deeper", 0, actor="loop", now=3)
    experiments.start("deeper", actor="me", now=3)
    with pytest.raises(Conflict, match="does not go on from step 1"):
        experiments.advance("deeper", 1, actor="loop", now=4)
    for step in range(4):
        experiments.advance("deeper", step, actor="loop", now=5)
    with pytest.raises(Conflict, match="does not go on from step 4"):
        experiments.advance("deeper", 4, actor="loop", now=6)
    experiments.end("deeper", "kept", actor="loop", now=7)
    with pytest.raises(Conflict, match="has ended"):
        experiments.end("deeper", "promoted", actor="loop", now=8)
    with pytest.raises(Conflict, match="has ended"):
        experiments.start("deeper", actor="me", now=8)


def test_a_ramp_that_waits_for_late_outcomes_must_come_to_its_end(registry: Registry) -> None:
    registry.tasks.apply(msgspec.structs.replace(TASK, outcome_window="7d"), now=2)
    registry.experiments.put(canary(), actor="me", now=2)
    with pytest.raises(Conflict, match="would not come to its end") as caught:
        registry.experiments.start("deeper", actor="me", now=3)
    assert caught.value.faults[0].fix.startswith("give it more than 17d")
    registry.experiments.put(canary(max_duration="18d"), actor="me", now=3)
    registry.experiments.start("deeper", actor="me", now=4)


def test_units_are_shared_by_no_two_experiments(registry: Registry) -> None:
    experiments = registry.experiments
    low, high = (Namespace(name="trees", start=a, end=b) for a, b in ((0, 0.5), (0.5, 1)))
    for name, namespace in (("a", low), ("b", high), ("c", None), ("d", low)):
        experiments.put(canary(name, namespace=namespace), actor="me", now=2)
    experiments.start("a", actor="me", now=3)
    experiments.start("b", actor="me", now=3)
    for name in ("c", "d"):
        with pytest.raises(Conflict, match="runs on 'price' already"):
            experiments.start(name, actor="me", now=4)


def test_what_cannot_be_served_is_not_started(registry: Registry, register: Callable[..., int]) -> None:
    experiments = registry.experiments
    wrong = register("price", signature={"inputs": [{"name": "b", "type": "number"}]})
    experiments.put(canary("wrong", version=wrong), actor="me", now=2)
    with pytest.raises(Conflict, match="cannot start") as caught:
        experiments.start("wrong", actor="me", now=3)
    assert caught.value.faults[0].field == "signature.inputs.b"
    experiments.put(canary("none", version=9), actor="me", now=2)
    with pytest.raises(UnknownVersion):
        experiments.start("none", actor="me", now=3)
    old = (Variant(name="now", version=3), Variant(name="new", version=2))
    experiments.put(canary("old", variants=old), actor="me", now=2)
    with pytest.raises(Conflict, match="cannot start"):
        experiments.start("old", actor="me", now=3)
    with pytest.raises(UnknownTask):
        experiments.put(canary(task="prices"), actor="me", now=2)
    with pytest.raises(NotFound, match="there is no experiment 'x'"):
        experiments.get("x")


@pytest.mark.parametrize("mode", ["canary", "bandit"])
def test_the_champion_is_no_treatment_but_in_an_a_a_test(registry: Registry, mode: str) -> None:
    experiments = registry.experiments
    experiments.put(canary("same", version=1, mode=mode), actor="me", now=2)
    with pytest.raises(Conflict, match="cannot start") as caught:
        experiments.start("same", actor="me", now=3)
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("variants.new", "1")
    assert "mode 'ab'" in fault.fix
    experiments.put(canary("aa", version=1, mode="ab"), actor="me", now=2)
    assert experiments.start("aa", actor="me", now=3).versions == {"now": 1, "new": 1}
