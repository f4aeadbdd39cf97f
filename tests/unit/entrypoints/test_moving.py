from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tropism.config import load_settings
from tropism.core.errors import Conflict, InvalidInput, PolicyRefused, UnknownModel, UnknownTask, UnknownVersion
from tropism.core.identity import is_id
from tropism.core.task import Task
from tropism.entrypoints.governing import Governing
from tropism.entrypoints.moving import promote_by_hand
from tropism.registry import NewDecision
from tropism.wiring import Platform, apply_project

Register = Callable[..., int]


@pytest.fixture
def strict(platform: Platform, project: Path) -> Platform:
    """The same project, but promotions need an approval."""
    path = project / "project.py"
    path.write_text(path.read_text().replace("approval=False", "approval=True"))
    apply_project(load_settings(project, environment={}))
    return platform


def ask(platform: Platform, version: int) -> str:
    """What the loop leaves behind when its promotion needs an approval."""
    decision = "01a1fd96-3cce-735a-adfe-9af284ad6ac5"
    now = platform.clock.now()
    new = NewDecision(id=decision, model="payments", kind="promote", version=version, at=now, actor="loop")
    platform.registry.decisions.record(new, now=now)
    platform.registry.approvals.request(decision, "payments", version, decision, now=now)
    return decision


def test_a_version_becomes_the_champion_and_the_decision_says_who_did_it(
    platform: Platform, register: Register
) -> None:
    register(1)
    register(2)
    first = promote_by_hand(platform, "payments", 1, "ann")
    second = promote_by_hand(platform, "payments", 2, "bob", expected=1)
    assert (first.version, first.previous) == (1, None)
    assert (second.version, second.previous) == (2, 1)
    assert is_id(second.decision_id)
    decision = platform.registry.decisions.get(second.decision_id)
    assert (decision.kind, decision.version, decision.actor) == ("promote", 2, "bob")
    assert decision.evidence["reason"] == "promoted by bob"
    assert platform.registry.audit.verify() == ()


def test_a_champion_that_moved_is_not_replaced_blindly(platform: Platform, register: Register) -> None:
    register(1)
    register(2)
    promote_by_hand(platform, "payments", 1, "ann")
    with pytest.raises(Conflict, match="version 1 is champion now"):
        promote_by_hand(platform, "payments", 2, "ann", expected=2)
    assert platform.registry.aliases.get("payments", "champion") == 1


def test_an_expected_champion_that_never_was(platform: Platform, register: Register) -> None:
    register()
    with pytest.raises(Conflict, match="there is no champion"):
        promote_by_hand(platform, "payments", 1, "ann", expected=7)


def test_the_champion_itself_is_refused(platform: Platform, register: Register) -> None:
    register()
    promote_by_hand(platform, "payments", 1, "ann")
    with pytest.raises(Conflict, match="already"):
        promote_by_hand(platform, "payments", 1, "ann")


def test_unknown_names_and_numbers(platform: Platform, register: Register) -> None:
    with pytest.raises(UnknownModel):
        promote_by_hand(platform, "payments", 1, "ann")
    register()
    with pytest.raises(UnknownVersion, match="it has version 1 only"):
        promote_by_hand(platform, "payments", 5, "ann")
    with pytest.raises(UnknownTask, match="use one of: payments"):
        promote_by_hand(platform, "nix", 1, "ann")


def test_where_approval_is_needed_a_promotion_is_proposed_and_somebody_else_approves(
    strict: Platform, register: Register
) -> None:
    register()
    with pytest.raises(PolicyRefused, match="needs approval, which is asked for now"):
        promote_by_hand(strict, "payments", 1, "ann")
    assert strict.registry.aliases.get("payments", "champion") is None
    with pytest.raises(InvalidInput, match="proposed"):
        promote_by_hand(strict, "payments", 1, "ann")
    assert [one.version for one in strict.registry.approvals.pending("payments")] == [1]
    Governing(strict).answer("payments", 1, actor="bob")
    assert strict.registry.aliases.get("payments", "champion") == 1
    (decision,) = strict.registry.decisions.list("payments", kind="promote")
    assert decision.actor == "ann" and decision.evidence["reason"] == "proposed by ann"


def test_with_force_no_approval_is_asked_for(strict: Platform, register: Register) -> None:
    register()
    assert promote_by_hand(strict, "payments", 1, "ann", force=True).version == 1
    assert strict.registry.approvals.pending("payments") == ()


def test_a_promotion_that_waits_is_approved_under_its_own_decision(strict: Platform, register: Register) -> None:
    register()
    decision = ask(strict, 1)
    assert [one.version for one in strict.registry.approvals.pending("payments")] == [1]
    assert promote_by_hand(strict, "payments", 1, "ann").decision_id == decision
    assert strict.registry.approvals.pending("payments") == ()
    approval = strict.registry.approvals.of_decision(decision)
    assert approval is not None
    assert (approval.status, approval.actor) == ("spent", "ann")


def test_force_leaves_no_approval_waiting(strict: Platform, register: Register) -> None:
    register()
    ask(strict, 1)
    assert promote_by_hand(strict, "payments", 1, "ann", force=True).version == 1
    assert strict.registry.approvals.pending("payments") == ()


def test_an_approval_whose_promotion_meets_a_conflict_was_not_given(
    strict: Platform, payments: Task, register: Register
) -> None:
    """A person approves what another decision has promoted meanwhile."""
    register(1)
    decision = ask(strict, 1)
    words: dict[str, Any] = {
        "actor": "bob",
        "decision_id": "other",
        "policy": payments.policy,
        "now": strict.clock.now(),
    }
    strict.registry.promotion.promote("payments", 1, expected=None, force=True, **words)
    rows = strict.registry.audit.head().seq
    answers: tuple[Callable[[], object], ...] = (
        lambda: promote_by_hand(strict, "payments", 1, "ann"),
        lambda: Governing(strict).answer("payments", 1, actor="ann"),
    )
    for answer in answers:
        with pytest.raises(Conflict, match="the champion of 'payments' already"):
            answer()
        assert strict.registry.approvals.get(decision).status == "pending"
        assert strict.registry.approvals.votes(decision) == ()
    assert strict.registry.audit.head().seq == rows
