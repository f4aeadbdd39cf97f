"""A promotion by a person: an approval of one that waits, a move of his own, or a proposal that others approve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Conflict, Fault, PolicyRefused
from tropism.core.identity import Identifiers, task_tag
from tropism.registry import NewDecision

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
        PolicyRefused: the policy wants an approval, which is asked for herewith.
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
    try:
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
    except PolicyRefused as error:
        if waiting or error.faults[0].field != "decision_id":
            raise
        raise _proposed(platform, model, version, actor, now) from error


def _proposed(platform: Platform, model: str, version: int, actor: str, now: int) -> PolicyRefused:
    """Records a promotion that waits for others to approve it; what to say of it."""
    decision = NewDecision(
        id=_identifiers.new(now, task_tag(model)),
        model=model,
        kind="promote",
        at=now,
        actor=actor,
        version=version,
        evidence={"comparison": "none", "reason": f"proposed by {actor}"},
    )
    platform.registry.decisions.record(decision, now=now)
    own = _identifiers.new(now, task_tag(model))
    platform.registry.approvals.request(own, model, version, decision.id, now=now, actor=actor)
    fault = Fault("version", str(version), f"somebody else may approve it: tropism approve {model} {version}")
    return PolicyRefused(f"promoting {model}/{version} needs approval, which is asked for now", fault)
