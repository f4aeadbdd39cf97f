from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound, UnknownVersion
from tropism.core.governance import ApprovalGate, Governance, Level
from tropism.core.task import Feature, Task
from tropism.registry import NewVersion, Registry
from tropism.registry.level_policies import LevelPolicies
from tropism.registry.reviews import Reviews, counted

DAY = 86_400_000_000
GATE = ApprovalGate(count=2, roles=("risk", "lead"))


@pytest.fixture
def reviews(registry: Registry) -> Reviews:
    """A version that ann registered, which two people in two roles must approve."""
    registry.tasks.apply(Task(name="price", kind="binary", target="y", features=(Feature("a"),)), 1)
    new = NewVersion(model="price", artifact="a" * 64, learner="linear", window="all")
    registry.versions.register(new, now=1, actor="ann")
    levels = (Level(name="staging"), Level(name="live", gates=(GATE,)))
    policy = Governance(levels=levels, roles={"risk": ("bob", "ann"), "lead": ("cy", "bob"), "other": ()})
    LevelPolicies(registry.db).set("price", policy, actor="ann", now=1)
    return Reviews(registry.db)


@pytest.fixture
def give(reviews: Reviews) -> Callable[..., object]:
    def one(actor: str, role: str, now: int = 2, **fields: str) -> object:
        return reviews.give(f"{actor}-{role}-{now}", "price", 1, "live", actor=actor, role=role, now=now, **fields)  # type: ignore[arg-type]

    return one


def missing(reviews: Reviews, now: int = 3) -> str:
    return counted(GATE, reviews.list("price", 1), "live", now)[1]


def test_two_people_in_both_roles_are_enough(reviews: Reviews, give: Callable[..., object]) -> None:
    assert missing(reviews) == "2 more people must approve, risk, lead among them"
    give("bob", "risk")
    assert missing(reviews) == "1 more person must approve, lead among them"
    give("cy", "lead", comment="fine")
    assert missing(reviews) == ""
    assert [(one.actor, one.role, one.comment) for one in reviews.list("price", 1, "live")] == [
        ("bob", "risk", ""),
        ("cy", "lead", "fine"),
    ]


def test_nobody_approves_his_own_version(reviews: Reviews, give: Callable[..., object]) -> None:
    assert reviews.author("price", 1) == "ann"
    for name in ("ann", "Ann", " ann "):
        with pytest.raises(InvalidInput, match="nobody approves his own version") as caught:
            give(name, "risk")
        assert caught.value.faults[0].field == "actor"


def test_one_person_is_one_person(registry: Registry, reviews: Reviews, give: Callable[..., object]) -> None:
    first = give("bob", "risk")
    rows = registry.audit.head().seq
    assert give("Bob ", "risk", now=3) == first
    with pytest.raises(Conflict, match="withdraw the review"):
        give("BOB", "lead", now=3)
    assert registry.audit.head().seq == rows
    assert "lead among them" in missing(reviews)


def test_a_role_is_acted_in_by_its_people_only(give: Callable[..., object]) -> None:
    with pytest.raises(InvalidInput, match="this role is that of: bob, ann"):
        give("cy", "risk")
    with pytest.raises(InvalidInput) as caught:
        give("cy", "other")
    assert (caught.value.faults[0].field, caught.value.faults[0].fix) == ("role", "use one of: lead, risk")
    with pytest.raises(InvalidInput, match="given in this role"):
        give("cy", "")
    with pytest.raises(InvalidInput, match="needs a name"):
        give(" ", "risk")


def test_an_approval_runs_out(reviews: Reviews, give: Callable[..., object]) -> None:
    give("bob", "risk")
    give("cy", "lead")
    assert missing(reviews, now=7 * DAY + 1) == ""
    assert "2 more people" in missing(reviews, now=7 * DAY + 2)
    give("bob", "risk", now=7 * DAY + 2)
    assert "1 more person" in missing(reviews, now=7 * DAY + 3)


def test_a_refusal_stands_until_it_is_withdrawn(reviews: Reviews, give: Callable[..., object]) -> None:
    give("bob", "risk")
    give("cy", "lead", verdict="refused", comment="too soon")
    assert missing(reviews) == "cy refused it: too soon; it stands until withdrawn or expired"
    with pytest.raises(InvalidInput, match="only cy"):
        reviews.withdraw("cy-lead-2", actor="bob", now=3)
    done = reviews.withdraw("cy-lead-2", actor="cy", now=3)
    assert reviews.withdraw("cy-lead-2", actor="cy", now=4) == done
    give("cy", "lead", now=4)
    assert missing(reviews, now=5) == ""


def test_every_review_is_in_the_audit_log(registry: Registry, give: Callable[..., object], reviews: Reviews) -> None:
    give("bob", "risk")
    reviews.withdraw("bob-risk-2", actor="bob", now=3)
    assert [(one.actor, one.action, one.subject) for one in registry.audit.list(2)] == [
        ("bob", "review.withdrawn", "price/1"),
        ("bob", "review.approved", "price/1"),
    ]
    assert registry.audit.verify() == ()


def test_what_is_not_there_is_said(reviews: Reviews) -> None:
    with pytest.raises(InvalidInput, match="asks for no approval"):
        reviews.give("r", "price", 1, "staging", actor="bob", now=2)
    with pytest.raises(UnknownVersion):
        reviews.give("r", "price", 2, "live", actor="bob", role="risk", now=2)
    with pytest.raises(NotFound, match="no review 'x'"):
        reviews.withdraw("x", actor="bob", now=2)
