from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound, PolicyRefused, UnknownVersion
from tropism.core.governance import ApprovalGate, Governance, Level
from tropism.core.task import Feature, Policy, Task
from tropism.registry import NewVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


@pytest.fixture(autouse=True)
def _version(register: Callable[..., int]) -> None:
    register()
    register()


def test_an_approval_waits_for_an_answer(registry: Registry) -> None:
    registry.approvals.request("a", "price", 1, "d", now=1)
    assert [one.id for one in registry.approvals.pending("price")] == ["a"]
    assert registry.approvals.pending("fraud") == ()
    answered = registry.approvals.approve("a", actor="ann", now=2, comment="looks right")
    assert (answered.status, answered.actor, answered.comment, answered.decided_at) == (
        "approved",
        "ann",
        "looks right",
        2,
    )
    assert registry.approvals.pending() == ()
    assert registry.approvals.of_decision("d") == answered == registry.approvals.get("a")
    assert registry.approvals.of_decision("e") is None


def test_asking_again_gives_the_same_approval(registry: Registry) -> None:
    first = registry.approvals.request("a", "price", 1, "d", now=1)
    assert registry.approvals.request("b", "price", 1, "d", now=2) == first
    with pytest.raises(Conflict, match="something else"):
        registry.approvals.request("a", "price", 2, "e", now=2)


def test_the_same_answer_again_is_harmless_and_another_is_refused(registry: Registry) -> None:
    registry.approvals.request("a", "price", 1, "d", now=1)
    registry.approvals.refuse("a", actor="ann", now=2)
    rows = registry.audit.head().seq
    assert registry.approvals.refuse("a", actor="ann", now=3).decided_at == 2
    with pytest.raises(Conflict, match="refused before by ann"):
        registry.approvals.approve("a", actor="bob", now=3)
    assert registry.audit.head().seq == rows


def test_what_is_not_there_is_said(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no approval 'x'"):
        registry.approvals.approve("x", actor="ann", now=1)
    with pytest.raises(UnknownVersion):
        registry.approvals.request("a", "price", 3, "d", now=1)


DAY = 86_400_000_000


@pytest.fixture
def ruled(registry: Registry) -> int:
    """A version that ann registered; two people, one of them in `risk`, must approve its promotion within a day."""
    gate, roles = ApprovalGate(count=2, roles=("risk", "lead")), {"risk": ("bob", "ann"), "lead": ()}
    policy = Governance(levels=(Level(name="live"),), roles=roles, promotion=gate, reviews="1d")
    features = (Feature("a"),)
    registry.tasks.apply(Task(name="price", kind="binary", target="y", features=features, governance=policy), 1)
    new = NewVersion(model="price", artifact="a" * 64, learner="linear", window="all")
    version = registry.versions.register(new, now=1, actor="ann")
    registry.approvals.request("a", "price", version, "d", now=1, actor="dan")
    return version


def promoted(registry: Registry, version: int, now: int) -> int:
    policy = Policy()
    asked = {"expected": None, "actor": "me", "decision_id": "d", "policy": policy, "now": now}
    return registry.promotion.promote("price", version, **asked).version  # type: ignore[arg-type]


def test_a_promotion_takes_people_in_the_roles_that_the_levels_name(registry: Registry, ruled: int) -> None:
    with pytest.raises(InvalidInput, match="not in the role 'risk'"):
        registry.approvals.approve("a", actor="cy", role="risk", now=2)
    with pytest.raises(InvalidInput, match="given in this role"):
        registry.approvals.approve("a", actor="cy", now=2)
    assert registry.approvals.approve("a", actor="bob", role="risk", now=2).status == "pending"
    assert registry.approvals.missing("a", 3) == "1 more person must approve, lead among them"
    assert registry.approvals.approve("a", actor="cy", role="lead", comment="fine", now=3).status == "approved"
    assert [(one.actor, one.role, one.comment) for one in registry.approvals.votes("a")] == [
        ("bob", "risk", ""),
        ("cy", "lead", "fine"),
    ]


@pytest.mark.parametrize(("actor", "said"), [("Ann ", "his own version"), ("DAN", "what he proposed")])
def test_nobody_approves_what_he_made_or_proposed(registry: Registry, ruled: int, actor: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        registry.approvals.approve("a", actor=actor, role="lead", now=2)
    assert caught.value.faults[0].field == "actor"
    assert registry.approvals.refuse("a", actor=actor, role="lead", now=2).status == "refused"


@pytest.mark.parametrize("actor", ["", "  ", "bob\u200b", "\u202ebob", "bo\x00b", "\ud800", "b\nob", "b" * 201])
def test_a_name_that_nobody_can_read_says_nothing(registry: Registry, ruled: int, actor: str) -> None:
    for answer in (registry.approvals.approve, registry.approvals.refuse):
        with pytest.raises(InvalidInput, match="a review needs a name"):
            answer("a", actor=actor, role="lead", now=2)
    assert registry.approvals.get("a").status == "pending"


def test_one_name_in_other_letters_is_no_second_person(registry: Registry, ruled: int) -> None:
    for actor in ("Jos\u00e9 Lee", "JOSE\u0301  LEE ", "\uff2aos\u00e9 Lee"):
        assert registry.approvals.approve("a", actor=actor, role="lead", now=2).status == "pending"
    assert registry.approvals.missing("a", 2) == "1 more person must approve, risk among them"


def test_an_approval_expires_and_is_given_again(registry: Registry, ruled: int) -> None:
    approvals = registry.approvals
    approvals.approve("a", actor="bob", role="risk", now=2)
    approvals.approve("a", actor="cy", role="lead", now=3)
    with pytest.raises(PolicyRefused, match="needs approval") as caught:
        promote_at_the_top(registry, ruled, DAY + 2)
    assert "expired" in caught.value.faults[0].value
    assert approvals.approve("a", actor="bob", role="risk", now=DAY + 2).status == "approved"
    assert promote_at_the_top(registry, ruled, DAY + 2) == ruled
    assert approvals.get("a").status == "spent"


def promote_at_the_top(registry: Registry, version: int, now: int) -> int:
    from tropism.registry.levels import Levels

    levels = Levels(registry.db)
    at = levels.get("price", version).level
    if at != "live":
        levels.move("up", "price", version, "live", expected=at, actor="me", now=now)
    return promoted(registry, version, now)


def test_levels_that_a_task_declares_are_not_written_over(registry: Registry, ruled: int) -> None:
    from tropism.registry.level_policies import LevelPolicies

    policies = LevelPolicies(registry.db)
    assert policies.get("price").reviews == "1d"
    with pytest.raises(Conflict, match="declared in the project"):
        policies.set("price", Governance(levels=(Level(name="other"),)), actor="me", now=2)
