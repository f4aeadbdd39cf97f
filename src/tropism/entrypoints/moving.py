"""A promotion by a person: an approval of one that waits, or a move of his own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Conflict, Fault
from tropism.core.identity import Identifiers, task_tag

if TYPE_CHECKING:
    from tropism.registry import Promoted
    from tropism.wiring import Platform

_identifiers = Identifiers()


def promote_by_hand(
    platform: Platform, model: str, version: int, actor: str, *, force: bool = False, expected: int | None = None
) -> Promoted:
    """Make a version the champion. If its promotion waits for approval, this approves it.

    `expected`: the champion that the caller looked at; None takes whoever is champion now.

    Raises:
        Conflict: it is the champion already, does not fit its task, or the champion moved.
        PolicyRefused: the policy wants an approval, and none was asked for.
        UnknownModel, UnknownVersion: there is none.
    """
    registry = platform.registry
    now = platform.clock.now()
    task = registry.tasks.get(model)
    registry.versions.get(model, version)
    champion = registry.aliases.get(model, "champion")
    if expected is not None and expected != champion:
        stands = "there is no champion" if champion is None else f"version {champion} is champion now"
        raise Conflict("the champion moved", Fault("expected", str(expected), f"{stands}; look again"))
    waiting = [one for one in registry.approvals.open(model) if one.version == version]
    decision = _identifiers.new(now, task_tag(model))
    evidence = {"comparison": "none", "reason": f"promoted by {actor}"}
    if waiting:
        decision = waiting[0].decision_id
        if not force:
            _, moved = registry.promotion.approve(
                waiting[0].id, expected=champion, actor=actor, policy=task.policy, now=now, evidence=evidence
            )
            if moved is not None:
                return moved
    return registry.promotion.promote(
        model,
        version,
        expected=champion,
        actor=actor,
        decision_id=decision,
        policy=task.policy,
        now=now,
        force=force,
        evidence=evidence,
    )
