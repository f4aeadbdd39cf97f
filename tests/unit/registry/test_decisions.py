from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.errors import Conflict, UnknownDecision, UnknownVersion
from tropism.registry import NewDecision

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


def _decision(id: str, **fields: Any) -> NewDecision:  # noqa: A002
    return NewDecision(**{"id": id, "model": "price", "kind": "wait", "at": 1, "actor": "loop", **fields})


def test_a_decision_keeps_its_evidence(registry: Registry, register: Callable[..., int]) -> None:
    register()
    evidence = {"lower": -0.01, "n": 40, "lake": {"predictions": 7}, "cohorts": [1, 2]}
    recorded = registry.decisions.record(_decision("d", version=1, kind="keep", evidence=evidence), now=5)
    stored = registry.decisions.get("d")
    assert stored == recorded
    assert (stored.evidence, stored.effect, stored.created_at) == (evidence, None, 5)


def test_recording_again_keeps_the_first(registry: Registry) -> None:
    registry.decisions.record(_decision("d", kind="train", evidence={"n": 1}), now=1)
    again = registry.decisions.record(_decision("d", kind="train", evidence={"n": 2}), now=2)
    assert (again.evidence, again.created_at) == ({"n": 1}, 1)
    assert registry.audit.head().seq == 1


def test_an_id_belongs_to_one_decision(registry: Registry) -> None:
    registry.decisions.record(_decision("d"), now=1)
    with pytest.raises(Conflict, match="another decision"):
        registry.decisions.record(_decision("d", kind="train"), now=1)


def test_a_rejected_candidate_says_so(registry: Registry, register: Callable[..., int]) -> None:
    register()
    registry.decisions.record(_decision("d", kind="reject", version=1), now=1)
    assert registry.versions.get("price", 1).state == "rejected"


def test_a_decision_is_about_a_version_that_is(registry: Registry, register: Callable[..., int]) -> None:
    register()
    with pytest.raises(UnknownVersion):
        registry.decisions.record(_decision("d", kind="reject", version=2), now=1)


def test_the_audit_row_holds_the_digest_of_the_evidence(registry: Registry) -> None:
    for id, evidence in (("a", {"n": 1}), ("b", {"n": 2})):  # noqa: A001
        registry.decisions.record(_decision(id, kind="train", evidence=evidence), now=1)
    details = [msgspec.json.decode(entry.detail) for entry in registry.audit.list()]
    assert len({detail["evidence"] for detail in details}) == 2


def test_looks_that_end_in_waiting_are_not_audited(registry: Registry) -> None:
    registry.decisions.record(_decision("d"), now=1)
    assert registry.audit.head().seq == 0


def test_decisions_are_listed_newest_first(registry: Registry) -> None:
    for number, kind in enumerate(("wait", "train", "wait", "wait")):
        registry.decisions.record(_decision(f"d{number}", kind=kind, at=number), now=9)
    registry.decisions.record(_decision("other", model="fraud", at=2), now=9)
    assert [one.id for one in registry.decisions.list("price", limit=3)] == ["d3", "d2", "d1"]
    assert [one.id for one in registry.decisions.list(kind="wait")] == ["d3", "other", "d2", "d0"]
    assert registry.decisions.list("absent") == ()


def test_an_unknown_decision_is_said(registry: Registry) -> None:
    with pytest.raises(UnknownDecision, match="tropism decisions"):
        registry.decisions.get("x")
