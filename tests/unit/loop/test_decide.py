from __future__ import annotations

from typing import Any

import pytest

from tropism.core.clock import DAY
from tropism.core.task import Feature, Policy, Task, Triggers
from tropism.feedback.cohorts import LakeVersions
from tropism.loop.decide import decide
from tropism.loop.observe import Decay, Observation, OpenTest
from tropism.storage.lake.versions import ABSENT

NOW = 100 * DAY


def task(**triggers: Any) -> Task:
    quiet: dict[str, Any] = {"new_outcomes": None, "decay": None, "cooldown": 50}
    policy = Policy(triggers=Triggers(**(quiet | triggers)), challengers=1, min_training=200)
    return Task(name="t", kind="binary", target="y", features=(Feature("a"),), policy=policy)


def seen(**changes: Any) -> Observation:
    values: dict[str, Any] = {
        "now": NOW,
        "lake": LakeVersions(ABSENT, ABSENT),
        "champion": 1,
        "previous": None,
        "promoted_at": NOW - 10 * DAY,
        "trained_at": NOW - 10 * DAY,
        "new_labels": 100,
        "matured": 100,
    }
    return Observation(**(values | changes))


def worse(score: float) -> Decay:
    return Decay(reference=0.1, recent=0.2, score=score, rows=100, since=NOW - DAY)


@pytest.mark.parametrize(
    ("triggers", "state", "reason"),
    [
        ({"new_outcomes": 100}, {}, "100 new labels"),
        ({"every": "1w"}, {}, "last trained at"),
        ({"decay": 0.5}, {"decay": worse(0.6)}, "loss rose from 0.1 to 0.2"),
        ({"drift": 0.8}, {"drift_score": 0.9, "drift_causes": ("a",)}, "drift score 0.90 in a"),
    ],
)
def test_each_trigger_fires_and_says_why(triggers: dict[str, Any], state: dict[str, Any], reason: str) -> None:
    plan = decide(task(**triggers), seen(**state))
    assert plan.train
    assert reason in plan.reasons[0]


@pytest.mark.parametrize(
    ("triggers", "state"),
    [
        ({"new_outcomes": 101}, {}),
        ({"every": "2w"}, {}),
        ({"decay": 0.5}, {"decay": worse(0.4)}),
        ({"drift": 0.8}, {"drift_score": 0.7}),
        ({}, {"decay": worse(1.0), "drift_score": 1.0}),
    ],
)
def test_nothing_fires_without_its_reason(triggers: dict[str, Any], state: dict[str, Any]) -> None:
    assert not decide(task(**triggers), seen(**state)).train


def test_a_first_model_that_waits_for_its_level_is_not_trained_again_but_for_a_person() -> None:
    first = {"champion": None, "promoted_at": None, "new_labels": 10_000}
    plan = decide(task(), seen(**first, rising=(3,)))
    assert (plan.train, plan.waiting) == (False, "version 3 waits for its level")
    assert decide(task(), seen(**first)).train
    assert decide(task(), seen(**first, rising=(3,)), asked="me").train


def test_a_first_model_that_waits_for_approval_is_not_trained_again_but_for_a_person() -> None:
    first = {"champion": None, "promoted_at": None, "new_labels": 10_000, "awaiting": (2,)}
    plan = decide(task(), seen(**first, rising=(2,)))
    assert (plan.train, plan.waiting) == (False, "version 2 waits for approval")
    assert decide(task(), seen(**first), asked="me").train


def test_the_change_that_decay_dates_reaches_the_training() -> None:
    assert decide(task(decay=0.5), seen(decay=worse(0.6))).changed == NOW - DAY
    assert decide(task(decay=0.5, new_outcomes=1), seen(decay=worse(0.3))).changed is None


def test_cooldown_and_open_challengers_hold_back_but_not_a_person() -> None:
    eager = task(new_outcomes=1)
    test = OpenTest(id="x", kind="challenge", challenger=2, incumbent=1, opened_at=NOW, alpha=0.05)
    cooling = decide(eager, seen(new_labels=49))
    assert (cooling.train, cooling.waiting) == (False, "cooldown: 49 of 50 new labels")
    crowded = decide(eager, seen(tests=(test,)))
    assert (crowded.train, crowded.waiting) == (False, "1 challengers are under test")
    assert decide(eager, seen(new_labels=0, tests=(test,)), asked="ann").reasons == ("asked for by ann",)


def test_a_probation_does_not_hold_challengers_back() -> None:
    test = OpenTest(id="x", kind="probation", challenger=1, incumbent=2, opened_at=NOW, alpha=0.05)
    assert decide(task(new_outcomes=1), seen(tests=(test,))).train


def test_a_first_model_waits_for_enough_labels_and_retries_after_the_cooldown() -> None:
    waiting = decide(task(), seen(champion=None, trained_at=None, new_labels=199))
    assert (waiting.train, waiting.waiting) == (False, "199 of 200 labels for a first model")
    assert decide(task(), seen(champion=None, trained_at=None, new_labels=200)).train
    assert not decide(task(), seen(champion=None, new_labels=49)).train
    assert decide(task(), seen(champion=None, new_labels=50)).train
