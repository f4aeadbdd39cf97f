"""Promotion and rollback: the only ways in which a champion changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.errors import Conflict, Fault, PolicyRefused
from tropism.registry import generation
from tropism.registry.aliases import CHAMPION, PREVIOUS, point, pointers
from tropism.registry.approvals import answer, asked_of, missing_of, required, spend
from tropism.registry.audit import append
from tropism.registry.decisions import NewDecision, digest, find_decision, require_same, store_decision
from tropism.registry.levels import require_top
from tropism.registry.signature import signature_faults
from tropism.registry.tasks import find_task
from tropism.registry.tombstones import require_kept
from tropism.registry.versions import ModelVersion, require_version, set_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tropism.core.task import Policy
    from tropism.registry.approvals import Approval
    from tropism.storage.tables import Database


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What changed: `version` took over from `previous` (None for the first champion) in `generation`."""

    model: str
    version: int
    previous: int | None
    generation: int
    decision_id: str


class Promotion:
    """Moves the champion. Each move is one transaction: all of it happens, or none.

    A move whose `decision_id` has taken effect before changes nothing and gives the same result, so that a
    step that is run again after a crash is safe.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def promote(
        self,
        model: str,
        version: int,
        *,
        expected: int | None,
        actor: str,
        decision_id: str,
        policy: Policy,
        now: int,
        force: bool = False,
        evidence: Mapping[str, Any] | None = None,
    ) -> Promoted:
        """Makes a version the champion, if the champion still is `expected` (None: there is none yet).

        The former champion is kept as `previous`. With `policy.approval`, or where the model's levels ask for it, the
        decision's approval must have been given, and is used up; `force` does without, and the audit row says so.
        `evidence` is stored with the decision, unless it was recorded before.

        Raises:
            Conflict: the champion is another one; or the version does not fit its task, is in quarantine, or is the
                champion already; or the decision's id belongs to another decision.
            PolicyRefused: it is not approved.
            UnknownModel, UnknownVersion: there is no such version.
        """
        decision = _decision(decision_id, model, "promote", version, actor, now, evidence)
        with self._db.exclusive() as connection:
            return _promote(connection, decision, version, expected=expected, policy=policy, force=force)

    def approve(
        self,
        approval_id: str,
        *,
        expected: int | None,
        actor: str,
        policy: Policy,
        now: int,
        comment: str = "",
        role: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> tuple[Approval, Promoted | None]:
        """Takes a person's yes, and promotes where it was the last one needed: the approval, and what moved.

        One transaction: where the promotion meets a conflict the yes was not said, and may be said again. Where the
        version does not stand on the highest level yet, it was said, and the promotion follows later.

        Raises:
            Conflict, UnknownModel, UnknownVersion, PolicyRefused: as `promote`.
            Conflict, InvalidInput, NotFound: as `Approvals.approve`.
        """
        with self._db.exclusive() as connection:
            said = answer(connection, approval_id, "approved", actor=actor, now=now, comment=comment, role=role)
            if said.status == "pending" or (said.status == "approved" and missing_of(connection, said, now)):
                return said, None
            decision = _decision(said.decision_id, said.model, "promote", said.version, actor, now, evidence)
            try:
                moved = _promote(connection, decision, said.version, expected=expected, policy=policy, force=False)
            except PolicyRefused as error:  # before anything was written
                refused = error
            else:
                return required(connection, approval_id), moved
        raise refused

    def rollback(
        self,
        model: str,
        *,
        actor: str,
        decision_id: str,
        now: int,
        expected: int | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> Promoted:
        """Makes the previous champion the champion again, and the champion the previous one.

        With `expected` only if that is the champion now. Needs no approval: it goes back to what was approved.

        Raises:
            Conflict: there is no previous champion, or it is in quarantine, or the champion is another one than
                `expected`.
            UnknownModel: there is no such model.
        """
        with self._db.exclusive() as connection:
            done = _done(connection, decision_id, "rollback", model, None)
            if done is not None:
                return done
            now_at = pointers(connection, model)
            champion, previous = now_at.get(CHAMPION), now_at.get(PREVIOUS)
            if expected is not None:
                _require_expected(model, champion, expected)
            if champion is None or previous is None:
                require_version(connection, model, champion or 1)
                fault = Fault("model", repr(model), "promote another version instead")
                raise Conflict(f"'{model}' has no previous champion to go back to", fault)
            _require_fit(connection, require_version(connection, model, previous))
            require_kept(connection, model, previous)
            set_state(connection, model, champion, "rolled-back")
            decision = _decision(decision_id, model, "rollback", previous, actor, now, evidence)
            return _move(connection, decision, previous, champion, {"expected": expected})


def _promote(
    connection: Connection, decision: NewDecision, version: int, *, expected: int | None, policy: Policy, force: bool
) -> Promoted:
    """What `Promotion.promote` does, within a transaction. Whatever is refused is so before anything is written."""
    model, now = decision.model, decision.at
    done = _done(connection, decision.id, "promote", model, version)
    if done is not None:
        return done
    chosen = require_version(connection, model, version)
    champion = pointers(connection, model).get(CHAMPION)
    _require_expected(model, champion, expected)
    if champion == version:
        fault = Fault("version", str(version), "nothing is left to do")
        raise Conflict(f"version {version} is the champion of '{model}' already", fault)
    _require_fit(connection, chosen)
    require_kept(connection, model, version)
    if not force:
        require_top(connection, model, version)
    asked = policy.approval or asked_of(connection, model) is not None
    spend(connection, model, version, decision.id, needed=asked and not force, now=now)
    return _move(connection, decision, version, champion, {"expected": expected, "forced": force})


def _done(connection: Connection, decision_id: str, kind: str, model: str, version: int | None) -> Promoted | None:
    """The result of a decision that has taken effect. A rollback's version is whatever it went back to."""
    stored = find_decision(connection, decision_id)
    if stored is None:
        return None
    require_same(stored, kind, model, stored.version if version is None else version)
    return None if stored.effect is None else msgspec.convert(stored.effect, Promoted)


def _decision(
    decision_id: str,
    model: str,
    kind: Literal["promote", "rollback"],
    version: int,
    actor: str,
    now: int,
    evidence: Mapping[str, Any] | None,
) -> NewDecision:
    return NewDecision(
        id=decision_id, model=model, kind=kind, version=version, at=now, actor=actor, evidence=dict(evidence or {})
    )


def _move(
    connection: Connection, decision: NewDecision, version: int, champion: int | None, extra: Mapping[str, Any]
) -> Promoted:
    """Moves the champion at the moment of the decision, and writes all that goes with it."""
    now = decision.at
    model = decision.model
    moved = generation.advance(connection, now)
    point(connection, model, CHAMPION, version, moved, now)
    if champion is not None:
        point(connection, model, PREVIOUS, champion, moved, now)
    set_state(connection, model, version, "promoted")
    result = Promoted(model=model, version=version, previous=champion, generation=moved, decision_id=decision.id)
    evidence = store_decision(connection, decision, msgspec.to_builtins(result), now)
    action = "model.promoted" if decision.kind == "promote" else "model.rolled-back"
    detail = {**msgspec.to_builtins(result), **extra, "evidence": digest(evidence)}
    append(connection, at=now, actor=decision.actor, action=action, subject=f"{model}/{version}", detail=detail)
    return result


def _require_expected(model: str, champion: int | None, expected: int | None) -> None:
    if champion == expected:
        return
    stands = "there is no champion" if champion is None else f"the champion is version {champion}"
    fix = f"{stands} now; compare with it and decide again"
    message = f"the champion of '{model}' was moved by somebody else: {stands} now"
    raise Conflict(message, Fault("expected", "none" if expected is None else str(expected), fix))


def _require_fit(connection: Connection, chosen: ModelVersion) -> None:
    if chosen.state == "quarantined":
        fix = "choose another version, train a new one (`tropism train`), or let it out: `tropism release`"
        fault = Fault("version", str(chosen.version), fix)
        raise Conflict(f"version {chosen.version} of '{chosen.model}' is in quarantine: it crashed a process", fault)
    task = find_task(connection, chosen.model)
    faults = [] if task is None else signature_faults(chosen.signature, task)
    if faults:
        raise Conflict(f"version {chosen.version} does not fit the task '{chosen.model}' as it is now", *faults)
