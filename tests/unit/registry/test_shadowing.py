from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.errors import Conflict
from tropism.core.experiment import Experiment, Variant
from tropism.core.task import Feature, Policy, Task
from tropism.registry import NewChallenge
from tropism.registry.shadowing import challenge_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Challenge, Registry

TASK = Task(name="price", kind="regression", target="y", features=(Feature("a"),))


@pytest.fixture(autouse=True)
def _versions(registry: Registry, register: Callable[..., int]) -> None:
    registry.tasks.apply(TASK, now=1)
    for _ in range(3):
        register("price")
    registry.promotion.promote("price", 1, expected=None, actor="me", decision_id="d", policy=Policy(), now=1)


def begin(registry: Registry, *versions: int, name: str = "beside", mode: Any = "shadow", now: int = 3) -> None:
    treatments = tuple(Variant(name=f"v{version}", version=version) for version in versions)
    spec = Experiment(name=name, task="price", mode=mode, variants=(Variant(name="now"), *treatments), alpha=0.04)
    registry.experiments.put(spec, actor="me", now=2)
    registry.experiments.start(name, actor="me", now=now)


def challenges(registry: Registry, name: str = "beside") -> list[Challenge]:
    trial = registry.experiments.get(name)
    return [registry.challenges.get(one) for one in challenge_ids(trial.spec, trial.started_at).values()]


@pytest.mark.parametrize("mode", ["shadow", "mirrored"])
def test_each_treatment_challenges_the_champion_from_the_start_on(registry: Registry, mode: str) -> None:
    begin(registry, 2, 3, mode=mode)
    found = [(one.challenger, one.incumbent, one.alpha, one.status, one.opened_at) for one in challenges(registry)]
    assert found == [(2, 1, 0.02, "open", 3), (3, 1, 0.02, "open", 3)]
    registry.experiments.start("beside", actor="me", now=9)
    assert len(registry.challenges.list_open("price")) == 2
    assert registry.audit.verify() == ()


def test_stopping_it_closes_its_challenges_and_no_others(registry: Registry) -> None:
    own = NewChallenge(id="own", model="price", challenger=2, incumbent=1, alpha=0.05)
    registry.challenges.open(own, now=2)
    begin(registry, 2, 3)
    registry.experiments.end("beside", "stopped", actor="me", now=5)
    assert [one.status for one in challenges(registry)] == ["expired", "expired"]
    assert [one.id for one in registry.challenges.list_open("price")] == ["own"]
    actions = [entry.action for entry in registry.audit.list(3)]
    assert actions == ["experiment.ended", "challenge.closed", "challenge.closed"]


def test_the_one_that_was_promoted_has_won(registry: Registry) -> None:
    begin(registry, 2, 3)
    registry.promotion.promote("price", 3, expected=1, actor="x", decision_id="e", policy=Policy(), now=4)
    registry.experiments.end("beside", "promoted", actor="loop", now=5)
    assert [one.status for one in challenges(registry)] == ["expired", "won"]


def test_what_lost_before_stays_lost(registry: Registry) -> None:
    begin(registry, 2, 3)
    registry.challenges.close(challenges(registry)[0].id, "lost", now=4)
    registry.experiments.end("beside", "kept", actor="loop", now=5)
    assert [one.status for one in challenges(registry)] == ["lost", "expired"]


def test_the_champion_is_not_compared_with_itself(registry: Registry) -> None:
    with pytest.raises(Conflict, match="cannot start") as caught:
        begin(registry, 1, 2)
    assert caught.value.faults[0].field == "variants.v1"
    assert registry.experiments.get("beside").status == "draft"
    assert registry.challenges.list_open("price") == ()


def test_experiments_that_split_nobody_run_beside_each_other_and_beside_a_canary(registry: Registry) -> None:
    begin(registry, 2)
    begin(registry, 3, name="other", mode="mirrored")
    begin(registry, 2, name="canary", mode="canary")
    begin(registry, 3, name="third", mode="shadow")
    assert len(registry.experiments.all("price", "running")) == 4
    assert len(registry.challenges.list_open("price")) == 3


def test_one_that_splits_units_has_no_challenge(registry: Registry) -> None:
    begin(registry, 2, mode="canary")
    assert challenges(registry) == []
    assert registry.challenges.list_open() == ()


def test_the_loop_keeps_room_for_its_own_challenges(registry: Registry) -> None:
    for number in range(25):
        begin(registry, 2, 3, name=f"s{number}", now=10 + number)
    with pytest.raises(Conflict, match="is open"):
        begin(registry, 2, name="more", now=99)
    registry.challenges.open(NewChallenge(id="o", model="price", challenger=2, incumbent=1, alpha=0.05), now=9, most=99)
