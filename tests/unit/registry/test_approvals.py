from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import Conflict, NotFound, UnknownVersion

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
