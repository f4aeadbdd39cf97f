from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import text

from tropism.core.errors import Conflict, PolicyRefused, UnknownModel, UnknownVersion
from tropism.core.task import Feature, Policy, Task
from tropism.registry import NewDecision, Promoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


@pytest.fixture(autouse=True)
def _versions(register: Callable[..., int]) -> None:
    for _ in range(3):
        register()


def _promote(registry: Registry, version: int, expected: int | None, decision: str = "", **more: Any) -> Promoted:
    given: dict[str, Any] = {"actor": "loop", "policy": Policy(), "now": 10 * version, **more}
    return registry.promotion.promote(
        "price", version, expected=expected, decision_id=decision or f"d{version}", **given
    )


def test_a_promotion_moves_everything_at_once(registry: Registry) -> None:
    _promote(registry, 1, None)
    result = _promote(registry, 2, 1, evidence={"lower": 0.1})
    assert result == Promoted(model="price", version=2, previous=1, generation=2, decision_id="d2")
    assert registry.aliases.all("price") == {"champion": 2, "previous": 1}
    decision = registry.decisions.get("d2")
    assert (decision.kind, decision.version, decision.at, decision.evidence) == ("promote", 2, 20, {"lower": 0.1})
    assert decision.effect == {"model": "price", "version": 2, "previous": 1, "generation": 2, "decision_id": "d2"}
    assert [one.state for one in registry.versions.list("price")] == ["promoted", "promoted", "candidate"]
    entry = registry.audit.list(limit=1)[0]
    assert (entry.action, entry.subject, entry.actor, entry.at) == ("model.promoted", "price/2", "loop", 20)


def test_a_champion_that_moved_meanwhile_is_a_conflict(registry: Registry) -> None:
    with pytest.raises(Conflict, match="there is no champion now"):
        _promote(registry, 2, 1)
    _promote(registry, 1, None)
    with pytest.raises(Conflict) as caught:
        _promote(registry, 2, 3)
    assert "the champion is version 1 now" in caught.value.message
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == ("expected", "3")
    assert registry.aliases.all("price") == {"champion": 1}
    assert registry.decisions.list("price")[0].id == "d1"


def test_a_decision_takes_effect_once(registry: Registry) -> None:
    first = _promote(registry, 1, None)
    second = _promote(registry, 2, 1)
    rows = registry.audit.head().seq
    assert _promote(registry, 1, None) == first
    assert _promote(registry, 2, 1, now=99) == second
    assert registry.aliases.get("price", "champion") == 2
    assert (registry.audit.head().seq, registry.aliases.generation()) == (rows, 2)


def test_the_champion_is_not_promoted_over_itself(registry: Registry) -> None:
    _promote(registry, 1, None)
    _promote(registry, 2, 1)
    with pytest.raises(Conflict, match="champion of 'price' already"):
        _promote(registry, 2, 2, "again")
    assert registry.aliases.get("price", "previous") == 1


def test_a_decision_belongs_to_one_move(registry: Registry) -> None:
    _promote(registry, 1, None, "d")
    with pytest.raises(Conflict, match="another decision"):
        _promote(registry, 2, 1, "d")
    with pytest.raises(Conflict, match="another decision"):
        registry.promotion.rollback("price", actor="ann", decision_id="d", now=1)


def test_what_is_not_there_is_not_promoted(registry: Registry) -> None:
    with pytest.raises(UnknownVersion):
        _promote(registry, 4, None)
    with pytest.raises(UnknownModel):
        registry.promotion.rollback("fraud", actor="ann", decision_id="d", now=1)


def test_a_version_that_does_not_fit_its_task_is_not_promoted(registry: Registry, register: Callable[..., int]) -> None:
    registry.tasks.apply(Task(name="price", kind="binary", target="y", features=(Feature("a"),)), 1)
    version = register(signature={"kind": "binary", "inputs": [{"name": "b", "type": "number"}]})
    with pytest.raises(Conflict, match=r"signature\.inputs\.b"):
        _promote(registry, version, None, force=True)


def test_a_promotion_that_needs_approval_waits_for_it(registry: Registry) -> None:
    policy = Policy(approval=True)
    with pytest.raises(PolicyRefused, match="not asked for"):
        _promote(registry, 1, None, policy=policy)
    new = NewDecision(id="d1", model="price", kind="promote", version=1, at=3, actor="loop", evidence={"n": 1})
    registry.decisions.record(new, now=3)
    registry.approvals.request("a", "price", 1, "d1", now=3)
    with pytest.raises(PolicyRefused, match="not answered yet"):
        _promote(registry, 1, None, policy=policy)
    registry.approvals.approve("a", actor="ann", now=4)
    assert _promote(registry, 1, None, policy=policy, evidence={"n": 2}).version == 1
    assert registry.approvals.get("a").status == "spent"
    decision = registry.decisions.get("d1")
    assert (decision.evidence, decision.at, decision.effect is None) == ({"n": 1}, 3, False)


def test_an_approval_is_good_for_its_decision_only(registry: Registry) -> None:
    registry.approvals.request("a", "price", 1, "d1", now=1)
    registry.approvals.approve("a", actor="ann", now=2)
    with pytest.raises(PolicyRefused):
        _promote(registry, 2, None, policy=Policy(approval=True))
    with pytest.raises(PolicyRefused):
        _promote(registry, 2, None, "d1", policy=Policy(approval=True))
    assert registry.approvals.get("a").status == "approved"


def test_a_refused_promotion_stays_out(registry: Registry) -> None:
    registry.approvals.request("a", "price", 1, "d1", now=1)
    registry.approvals.refuse("a", actor="ann", now=2)
    with pytest.raises(PolicyRefused, match="refused"):
        _promote(registry, 1, None, policy=Policy(approval=True))
    assert registry.aliases.snapshot() == ()


def test_force_does_without_approval_and_is_noted(registry: Registry) -> None:
    registry.approvals.request("a", "price", 1, "d1", now=1)
    _promote(registry, 1, None, policy=Policy(approval=True), force=True, actor="ann")
    entry = registry.audit.list(limit=1)[0]
    assert entry.actor == "ann"
    assert msgspec.json.decode(entry.detail)["forced"] is True
    assert registry.approvals.pending() == ()


def test_a_conflict_does_not_use_the_approval_up(registry: Registry) -> None:
    _promote(registry, 3, None)
    registry.approvals.request("a", "price", 1, "d1", now=1)
    registry.approvals.approve("a", actor="ann", now=2)
    with pytest.raises(Conflict):
        _promote(registry, 1, 2, policy=Policy(approval=True))
    assert registry.approvals.get("a").status == "approved"


def test_a_rollback_goes_back_and_can_go_forth(registry: Registry) -> None:
    _promote(registry, 1, None)
    _promote(registry, 2, 1)
    back = registry.promotion.rollback("price", actor="ann", decision_id="r1", now=30, expected=2, evidence={"n": 5})
    assert (back.version, back.previous, back.generation) == (1, 2, 3)
    assert registry.aliases.all("price") == {"champion": 1, "previous": 2}
    assert [one.state for one in registry.versions.list("price")][:2] == ["promoted", "rolled-back"]
    assert registry.promotion.rollback("price", actor="ann", decision_id="r1", now=31) == back
    decision = registry.decisions.get("r1")
    assert (decision.kind, decision.version, decision.evidence) == ("rollback", 1, {"n": 5})
    registry.promotion.rollback("price", actor="ann", decision_id="r2", now=32)
    assert registry.aliases.all("price") == {"champion": 2, "previous": 1}
    assert registry.audit.list(limit=1)[0].action == "model.rolled-back"


def test_a_rollback_has_somewhere_to_go(registry: Registry) -> None:
    for _ in range(2):
        with pytest.raises(Conflict, match="no previous champion"):
            registry.promotion.rollback("price", actor="ann", decision_id="r", now=1)
        if not registry.aliases.snapshot():
            _promote(registry, 1, None)


def test_a_rollback_of_another_champion_is_a_conflict(registry: Registry) -> None:
    _promote(registry, 1, None)
    _promote(registry, 2, 1)
    with pytest.raises(Conflict, match="the champion is version 2 now"):
        registry.promotion.rollback("price", actor="ann", decision_id="r", now=1, expected=3)


def test_a_promotion_that_fails_at_its_last_step_leaves_nothing(registry: Registry) -> None:
    _promote(registry, 1, None)
    rows = registry.audit.list()
    with registry.db.begin() as connection:
        forbid = "CREATE TRIGGER forbid BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        connection.execute(text(forbid))
    with pytest.raises(Exception, match="no"):
        _promote(registry, 2, 1)
    assert registry.aliases.all("price") == {"champion": 1}
    assert registry.aliases.generation() == 1
    assert [one.id for one in registry.decisions.list()] == ["d1"]
    assert registry.versions.get("price", 2).state == "candidate"
    assert registry.audit.list() == rows
