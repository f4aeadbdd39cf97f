"""The loop as its user sees it: a first model, decay, a challenger, evidence, promotion, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.identity import Identifiers
from tropism.core.task import Triggers
from tropism.entrypoints.moving import promote_by_hand
from tropism.loop.recompute import recompute

if TYPE_CHECKING:
    from collections.abc import Callable


def champion(here: Any) -> int | None:
    version: int | None = here.champion
    return version


def test_a_first_model_must_beat_the_baseline(world: Callable[..., Any]) -> None:
    here = world()
    early = here.run(150)
    assert champion(here) is None
    assert all("labels for a first model" in result.waiting for result in early)

    here.run(100)
    assert champion(here) == 1
    promoted = here.platform.registry.decisions.list("world", kind="promote")[0]
    assert promoted.evidence["comparison"] == "baseline"
    assert promoted.evidence["lower"] > 0


def test_decay_is_noticed_and_the_model_replaced_on_evidence(world: Callable[..., Any]) -> None:
    here = world()
    here.run(500)
    assert champion(here) == 1
    here.sign = -1
    results = here.run(1_200)

    assert any("loss rose" in reason for result in results for reason in result.reasons)
    replaced = champion(here)
    assert replaced is not None and replaced > 1
    decisions = here.platform.registry.decisions.list("world", kind="promote")
    paired = [one for one in decisions if one.evidence["comparison"] == "paired"]
    assert paired
    for decision in paired:
        assert decision.evidence["lower"] > 0
        assert decision.evidence["n"] >= here.task.policy.gate.min_outcomes
    assert here.platform.registry.audit.verify() == ()


def test_evidence_is_found_again_from_the_lake(world: Callable[..., Any]) -> None:
    here = world()
    here.run(400)
    here.sign = -1
    here.run(800)
    found = [
        recompute(here.services, decision)
        for decision in here.platform.registry.decisions.list("world", 1_000)
        if decision.evidence.get("comparison") == "paired"
    ]
    assert len(found) > 3
    assert all(one.agrees for one in found), [one.reason for one in found if not one.agrees]


def test_a_change_for_the_worse_is_rolled_back(world: Callable[..., Any]) -> None:
    here = world(triggers=Triggers(new_outcomes=None, decay=None, cooldown=100))
    here.run(400)
    assert champion(here) == 1
    here.sign = -1
    here.live(450)
    here.cycle(asked="somebody")
    here.sign = 1
    promote_by_hand(here.platform, "world", 2, "somebody")
    here.cycle()
    results = here.run(400)

    assert "rollback" in [verdict for result in results for verdict in result.verdicts]
    assert champion(here) == 1
    rollback = here.platform.registry.decisions.list("world", kind="rollback")[0]
    assert recompute(here.services, rollback).agrees


def test_promotions_wait_for_a_person_where_the_policy_says_so(world: Callable[..., Any]) -> None:
    here = world(approval=True)
    here.run(300)
    assert champion(here) is None
    waiting = here.platform.registry.approvals.pending("world")
    assert [one.version for one in waiting] == [1]
    here.run(300)  # as many labels again
    again = here.cycle()
    assert (again.trained, again.waiting) == (None, "version 1 waits for approval")
    assert [one.version for one in here.platform.registry.approvals.pending("world")] == [1]

    promote_by_hand(here.platform, "world", 1, "ann")
    assert champion(here) == 1
    assert here.platform.registry.approvals.pending("world") == ()


def test_nothing_new_means_nothing_done(world: Callable[..., Any]) -> None:
    here = world()
    here.run(300)
    again = here.cycle()
    assert again.trained is None
    assert again.decisions == ()


def test_a_cycle_that_is_asked_for_twice_runs_once(world: Callable[..., Any]) -> None:
    here = world()
    here.live(300)
    key = Identifiers().new(here.clock.now())
    first = here.workflows.run("cycle", key, {"task": "world", "asked": "ann"})
    second = here.workflows.run("cycle", key, {"task": "world", "asked": "ann"})
    assert first == second
    assert len(here.platform.registry.versions.list("world")) == 1
