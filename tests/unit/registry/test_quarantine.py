from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.errors import Conflict, UnknownVersion
from tropism.core.task import Policy
from tropism.registry import NewDecision

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


@pytest.fixture(autouse=True)
def _versions(register: Callable[..., int]) -> None:
    for _ in range(3):
        register()


def promote(registry: Registry, version: int, expected: int | None, **more: Any) -> None:
    given = {"actor": "loop", "policy": Policy(), "now": 10 * version, "decision_id": f"d{version}", **more}
    registry.promotion.promote("price", version, expected=expected, **given)


def put(registry: Registry, version: int, now: int = 50) -> bool:
    return registry.quarantine.put(
        "price", version, reason="it crashed", now=now, actor="data-plane", evidence={"doing": "scoring"}
    )


def test_it_is_recorded_in_every_place_once(registry: Registry) -> None:
    promote(registry, 1, None)
    generation = registry.aliases.generation()
    assert put(registry, 1) is True
    rows = registry.audit.head().seq
    assert put(registry, 1, now=60) is False
    assert registry.audit.head().seq == rows
    assert registry.aliases.generation() == generation + 1
    assert registry.versions.get("price", 1).state == "quarantined"
    assert registry.quarantine.all() == {"price": frozenset({1})}
    assert registry.aliases.get("price", "champion") == 1, "what it was is not forgotten"
    entry = registry.audit.list(limit=1)[0]
    assert (entry.action, entry.subject, entry.actor, entry.at) == ("version.quarantined", "price/1", "data-plane", 50)
    (decision,) = registry.decisions.list("price", kind="quarantine")
    assert decision.id == json.loads(entry.detail)["decision_id"]
    assert decision.evidence == {"reason": "it crashed", "state_before": "promoted", "doing": "scoring"}
    assert registry.audit.verify() == ()


def test_nothing_brings_it_back(registry: Registry) -> None:
    promote(registry, 1, None)
    promote(registry, 2, 1)
    put(registry, 1)
    with pytest.raises(Conflict, match="in quarantine") as refused:
        promote(registry, 1, 2, decision_id="again", force=True)
    assert "tropism train" in refused.value.faults[0].fix
    with pytest.raises(Conflict, match="in quarantine"):
        registry.promotion.rollback("price", actor="ann", decision_id="back", now=60)
    assert registry.aliases.get("price", "champion") == 2


def test_a_rollback_from_it_leaves_it_there(registry: Registry) -> None:
    promote(registry, 1, None)
    promote(registry, 2, 1)
    put(registry, 2)
    registry.promotion.rollback("price", actor="ann", decision_id="back", now=60)
    assert registry.aliases.all("price") == {"champion": 1, "previous": 2}
    assert registry.versions.get("price", 2).state == "quarantined"


def test_a_rejection_does_not_let_it_out(registry: Registry) -> None:
    put(registry, 3)
    registry.decisions.record(NewDecision(id="r", model="price", kind="reject", version=3, at=60, actor="loop"), now=60)
    assert registry.versions.get("price", 3).state == "quarantined"


def test_what_is_not_there_cannot_be_put_away(registry: Registry) -> None:
    with pytest.raises(UnknownVersion):
        put(registry, 9)
    assert registry.quarantine.all() == {}


def test_it_can_be_released_and_put_back(registry: Registry) -> None:
    promote(registry, 1, None)
    put(registry, 1)
    generation = registry.aliases.generation()
    assert registry.quarantine.release("price", 1, reason="no memory", now=60, actor="ann") == "promoted"
    assert registry.aliases.generation() == generation + 1
    assert registry.quarantine.all() == {}
    assert registry.versions.get("price", 1).state == "promoted"
    entry = registry.audit.list(limit=1)[0]
    assert (entry.action, entry.subject, entry.actor) == ("version.released", "price/1", "ann")
    with pytest.raises(Conflict, match="not in quarantine"):
        registry.quarantine.release("price", 1, reason="again", now=61, actor="ann")
    with pytest.raises(UnknownVersion):
        registry.quarantine.release("price", 9, reason="again", now=61, actor="ann")
    assert put(registry, 1, now=70) is True
    assert registry.quarantine.release("price", 1, reason="no memory", now=80, actor="ann") == "promoted"
    assert registry.audit.verify() == ()
