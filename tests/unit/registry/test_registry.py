from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.task import Feature, Policy, Task
from tropism.registry import NewChallenge, NewDecision, Registry

if TYPE_CHECKING:
    from collections.abc import Callable


def test_every_change_leaves_one_audit_row(registry: Registry, register: Callable[..., int]) -> None:
    registry.tasks.apply(Task(name="price", kind="binary", target="y", features=(Feature("a"),)), 1)
    register()
    register()
    registry.challenges.open(NewChallenge(id="c", model="price", challenger=2, incumbent=1, alpha=0.05), now=2)
    registry.decisions.record(NewDecision(id="d", model="price", kind="promote", version=2, at=3, actor="loop"), now=3)
    registry.approvals.request("a", "price", 2, "d", now=4)
    registry.approvals.approve("a", actor="ann", now=5)
    first = {"expected": None, "actor": "ann", "policy": Policy(), "now": 6}
    registry.promotion.promote("price", 1, decision_id="d0", **first)  # type: ignore[arg-type]
    moved = {"expected": 1, "actor": "loop", "policy": Policy(approval=True), "now": 6}
    registry.promotion.promote("price", 2, decision_id="d", **moved)  # type: ignore[arg-type]
    registry.challenges.close("c", "won", now=7)
    registry.promotion.rollback("price", actor="ann", decision_id="r", now=8)
    registry.aliases.set("price", "shadow", 2, actor="ann", now=9)
    assert [entry.action for entry in reversed(registry.audit.list())] == [
        "task.applied",
        "version.registered",
        "version.registered",
        "challenge.opened",
        "decision.recorded",
        "approval.requested",
        "approval.approved",
        "model.promoted",
        "model.promoted",
        "challenge.closed",
        "model.rolled-back",
        "alias.moved",
    ]
    assert registry.audit.verify() == ()


def test_what_changes_nothing_leaves_no_audit_row(registry: Registry, register: Callable[..., int]) -> None:
    task = Task(name="price", kind="binary", target="y", features=(Feature("a"),))
    registry.tasks.apply(task, 1)
    register(job_id="j")
    rows = registry.audit.head().seq
    registry.tasks.apply(task, 2)
    register(job_id="j")
    registry.progress.set("ingest", 5, now=3)
    registry.leases.acquire("loop/price", "me", 10, 3)
    assert registry.audit.head().seq == rows
