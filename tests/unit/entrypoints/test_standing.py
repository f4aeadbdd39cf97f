from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tropism.core.clock import iso
from tropism.core.errors import UnknownTask
from tropism.entrypoints.standing import standing
from tropism.registry import NewChallenge
from tropism.wiring import Platform

DAY = 86_400_000_000


def test_a_new_task_has_nothing_yet(platform: Platform) -> None:
    found = standing(platform, "payments")
    assert (found["name"], found["kind"], found["versions"]) == ("payments", "binary", 0)
    assert found["champion"] is found["previous"] is found["performance"] is found["last_training"] is None
    assert set(found["outcomes"].values()) == {0}
    assert found["tests"] == found["waiting_for_approval"] == []


def test_the_watermark_is_an_outcome_window_ago(platform: Platform) -> None:
    before = platform.clock.now() - 7 * DAY
    found = standing(platform, "payments")["watermark"]
    assert iso(before) <= found <= iso(platform.clock.now() - 7 * DAY)


def test_an_unknown_task_is_refused_with_those_there_are(platform: Platform) -> None:
    with pytest.raises(UnknownTask, match="use one of: payments"):
        standing(platform, "nix")


def test_counts_say_what_came_back(platform: Platform, live: Callable[..., list[str]]) -> None:
    live(40, answered=30)
    live(10, days_ago=1, answered=4)
    found = standing(platform, "payments")["outcomes"]
    told = {name: count for name, count in found.items() if count}
    assert told == {
        "predictions": 50,
        "answered": 34,
        "matured": 40,
        "unanswered": 10,
        "waiting": 6,
        "outcomes": 34,
    }


def test_the_champion_is_judged_on_its_own_matured_predictions(
    platform: Platform,
    register: Callable[..., int],
    promote: Callable[..., str],
    live: Callable[..., list[str]],
) -> None:
    live(20)  # before there was a champion: the baseline's
    promote(register(), at=platform.clock.now() - 20 * DAY)
    live(100, version=1)
    live(50, version=1, days_ago=1)  # not matured
    found = standing(platform, "payments")
    assert (found["champion"], found["previous"], found["versions"]) == (1, None, 1)
    performance = found["performance"]
    assert performance["metric"] == "brier"
    assert performance["predictions"] == 100
    assert performance["loss"] == pytest.approx(0.04)
    assert performance["low"] <= performance["loss"] <= performance["high"]
    assert set(performance["baselines"]) == {"majority", "last-label"}
    assert min(performance["baselines"].values()) > performance["loss"]


def test_a_single_matured_prediction_has_no_interval(
    platform: Platform, register: Callable[..., int], promote: Callable[..., str], live: Callable[..., list[str]]
) -> None:
    promote(register(), at=platform.clock.now() - 20 * DAY)
    live(1, version=1)
    plain = msgspec.json.decode(msgspec.json.encode(standing(platform, "payments")))
    assert plain["performance"]["predictions"] == 1
    assert plain["performance"]["low"] is None


def test_open_tests_and_approvals_are_named(
    platform: Platform, register: Callable[..., int], promote: Callable[..., str]
) -> None:
    register(1)
    register(2)
    decision = promote(1)
    now = platform.clock.now()
    platform.registry.challenges.open(
        NewChallenge(id=decision, model="payments", challenger=2, incumbent=1, kind="challenge", alpha=0.05), now=now
    )
    platform.registry.approvals.request("approval", "payments", 2, "another", now=now)
    found = standing(platform, "payments")
    assert [(test["kind"], test["challenger"], test["incumbent"]) for test in found["tests"]] == [("challenge", 2, 1)]
    assert found["waiting_for_approval"] == [2]
