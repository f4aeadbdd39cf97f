"""Approvals: a person's word that a decision may take effect. Good for that decision, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import or_, select

from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound, PolicyRefused
from tropism.core.governance import ApprovalGate, Governance
from tropism.core.identity import person
from tropism.registry.aliases import CHAMPION
from tropism.registry.audit import append
from tropism.registry.level_policies import written_policy
from tropism.registry.records import record
from tropism.registry.reviews import Verdict, counted, require_other, require_person, require_role
from tropism.registry.versions import require_version
from tropism.storage.tables.governance_schema import approval_votes
from tropism.storage.tables.schema import approvals, audit
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database

_NOBODYS = Governance(levels=())
"""Where nobody wrote a policy: one person's word, of anybody but the author."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """`status` goes from `pending` to `approved` or `refused`, and from `approved` to `spent` when it was used."""

    id: str
    model: str
    version: int
    decision_id: str
    status: Literal["pending", "approved", "refused", "spent"]
    actor: str | None
    comment: str | None
    created_at: int
    decided_at: int | None


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on a promotion, in a role if he has one; it holds from `at` until `expires_at` (µs)."""

    approval_id: str
    person: str
    actor: str
    role: str
    verdict: Verdict
    comment: str
    at: int
    expires_at: int

    @property
    def level(self) -> str:
        return CHAMPION

    def holds(self, now: int) -> bool:
        """Whether it counts at a moment (µs)."""
        return now < self.expires_at


class Approvals:
    """Asks for approvals and answers them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def request(
        self, approval_id: str, model: str, version: int, decision_id: str, *, now: int, actor: str = "loop"
    ) -> Approval:
        """Asks for approval of a decision to promote a version; asking again gives the same approval.

        Raises:
            Conflict: the id or the decision is that of another version.
            UnknownModel, UnknownVersion: there is no such version.
        """
        with self._db.exclusive() as connection:
            same = or_(approvals.c.id == approval_id, approvals.c.decision_id == decision_id)
            row = connection.execute(select(approvals).where(same)).first()
            if row is not None:
                return _require_same(record(Approval, row), model, version, decision_id)
            require_version(connection, model, version)
            values = {"id": approval_id, "model": model, "version": version, "decision_id": decision_id}
            connection.execute(approvals.insert(), {**values, "status": "pending", "created_at": now})
            _note(
                connection,
                "approval.requested",
                model,
                version,
                {"id": approval_id, "decision": decision_id},
                actor,
                now,
            )
            return required(connection, approval_id)

    def approve(self, approval_id: str, *, actor: str, now: int, comment: str = "", role: str = "") -> Approval:
        """Says yes, in a role where the policy asks for one. It is approved once as many people did as it asks for, and
        for as long as their words hold: the policy's `reviews`.

        Raises:
            NotFound: there is no such approval.
            InvalidInput: the actor has no name, registered or proposed the version, or does not have the role.
            Conflict: it was answered before, otherwise or by another.
        """
        return self._answer(approval_id, "approved", actor, now, comment, role)

    def refuse(self, approval_id: str, *, actor: str, now: int, comment: str = "", role: str = "") -> Approval:
        """Says no, which is final. Raises what `approve` does; one may refuse one's own."""
        return self._answer(approval_id, "refused", actor, now, comment, role)

    def votes(self, approval_id: str) -> tuple[Vote, ...]:
        """What people said, the oldest first."""
        with self._db.read() as connection:
            return votes_of(connection, approval_id)

    def missing(self, approval_id: str, now: int) -> str:
        """Who must still approve, in words; empty when nobody must."""
        with self._db.read() as connection:
            return missing_of(connection, required(connection, approval_id), now)

    def get(self, approval_id: str) -> Approval:
        """Raises: NotFound: there is no such approval."""
        with self._db.read() as connection:
            return required(connection, approval_id)

    def of_decision(self, decision_id: str) -> Approval | None:
        """The approval asked for a decision, or None."""
        with self._db.read() as connection:
            return _of_decision(connection, decision_id)

    def pending(self, model: str | None = None) -> tuple[Approval, ...]:
        """Those not answered yet, the oldest first."""
        query = select(approvals).where(approvals.c.status == "pending")
        if model is not None:
            query = query.where(approvals.c.model == model)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(approvals.c.created_at, approvals.c.id))
            return tuple(record(Approval, row) for row in rows)

    def open(self, model: str) -> tuple[Approval, ...]:
        """Those that were not used or refused yet, the oldest first."""
        chosen = (approvals.c.model == model) & approvals.c.status.in_(("pending", "approved"))
        query = select(approvals).where(chosen).order_by(approvals.c.created_at, approvals.c.id)
        with self._db.read() as connection:
            return tuple(record(Approval, row) for row in connection.execute(query))

    def _answer(self, approval_id: str, verdict: Verdict, actor: str, now: int, comment: str, role: str) -> Approval:
        with self._db.exclusive() as connection:
            return answer(connection, approval_id, verdict, actor=actor, now=now, comment=comment, role=role)


def answer(
    connection: Connection, approval_id: str, verdict: Verdict, *, actor: str, now: int, comment: str, role: str
) -> Approval:
    """Takes a person's word within a transaction. Raises what `Approvals.approve` does."""
    approval = required(connection, approval_id)
    expired = approval.status == "approved" and bool(missing_of(connection, approval, now))
    if approval.status == "pending" or expired:
        return _vote(connection, approval, verdict, actor, now, comment, role)
    said = {one.actor for one in votes_of(connection, approval_id)} or {approval.actor or ""}
    given = "refused" if approval.status == "refused" else "approved"
    if given != verdict or actor.strip() not in said:
        fix = "wait for a new decision and answer its approval"
        raise Conflict(f"it was {given} before by {approval.actor}", Fault("id", repr(approval_id), fix))
    return approval


def votes_of(connection: Connection, approval_id: str) -> tuple[Vote, ...]:
    """What people said of a promotion, the oldest first."""
    query = select(approval_votes).where(approval_votes.c.approval_id == approval_id)
    rows = connection.execute(query.order_by(approval_votes.c.at, approval_votes.c.person))
    return tuple(record(Vote, row) for row in rows)


def asked_of(connection: Connection, model: str) -> ApprovalGate | None:
    """Whose approval the policy of a model asks for before a promotion; None where it asks for none."""
    policy = written_policy(connection, model)
    return None if policy is None else policy.promotion


def spend(connection: Connection, model: str, version: int, decision_id: str, *, needed: bool, now: int) -> None:
    """Uses up the approval of a decision; where none is `needed`, closes one that was asked for all the same.

    Raises:
        PolicyRefused: it is missing, not answered, refused, not given by enough people, expired, or used before.
    """
    approval = _of_decision(connection, decision_id)
    fits = approval is not None and (approval.model, approval.version) == (model, version)
    status: str = approval.status if approval is not None and fits else "not asked for"
    if approval is not None and status == "approved" and missing_of(connection, approval, now):
        status = "expired"
    if needed and status != "approved":
        reasons = {"pending": "not answered yet", "spent": "used before"}
        told = reasons.get(status, status)
        if approval is not None and status == "pending" and votes_of(connection, approval.id):
            told = f"not complete: {missing_of(connection, approval, now)}"
        fix = "approve it: `tropism approve`, or promote with force, which is noted"
        fault = Fault("decision_id", f"{decision_id!r}, whose approval is {told}", fix)
        raise PolicyRefused(f"promoting {model}/{version} needs approval", fault)
    if fits and status != "refused":
        chosen = approvals.c.decision_id == decision_id
        connection.execute(approvals.update().where(chosen).values(status="spent"))


def _vote(
    connection: Connection, approval: Approval, verdict: Verdict, actor: str, now: int, comment: str, role: str
) -> Approval:
    """Takes one person's word, and closes the approval if that decides it."""
    model, version = approval.model, approval.version
    policy = written_policy(connection, model) or _NOBODYS
    gate = policy.promotion or ApprovalGate()
    require_person(actor)
    if verdict == "approved":
        require_other(connection, model, version, actor)
        _require_not_proposer(connection, approval, actor)
    require_role(policy, (gate,), CHAMPION, actor, role)
    mine = {"approval_id": approval.id, "person": person(actor), "actor": actor.strip(), "role": role}
    until = now + parse_duration(policy.reviews)
    upsert(connection, approval_votes, {**mine, "verdict": verdict, "comment": comment, "at": now, "expires_at": until})
    found, missing = counted(gate, votes_of(connection, approval.id), CHAMPION, now)
    if verdict == "refused":
        values = {"status": "refused", "actor": actor, "comment": comment, "decided_at": now}
    else:
        people = ", ".join(one.actor for one in found)
        done = {"actor": people, "comment": comment, "decided_at": now}
        values = {"status": "pending"} if missing else {"status": "approved", **done}
    connection.execute(approvals.update().where(approvals.c.id == approval.id).values(**values))
    detail = {"id": approval.id, "decision": approval.decision_id, "comment": comment}
    detail |= {"role": role} if role else {}
    _note(connection, f"approval.{verdict}", model, version, detail, actor, now)
    return required(connection, approval.id)


def missing_of(connection: Connection, approval: Approval, now: int) -> str:
    """Who must still approve. An approval of before there were votes holds as long as one of now would."""
    policy = written_policy(connection, approval.model) or _NOBODYS
    given = votes_of(connection, approval.id)
    if not given and approval.status == "approved":
        held = approval.decided_at is not None and now < approval.decided_at + parse_duration(policy.reviews)
        return "" if held else "it was too long ago"
    return counted(policy.promotion or ApprovalGate(), given, CHAMPION, now)[1]


def _require_not_proposer(connection: Connection, approval: Approval, actor: str) -> None:
    """Raises: InvalidInput: the actor asked for this approval himself. The loop is nobody."""
    asked = (audit.c.action == "approval.requested") & (audit.c.subject == f"{approval.model}/{approval.version}")
    rows = connection.execute(select(audit.c.actor, audit.c.detail).where(asked))
    proposers = [row.actor for row in rows if msgspec.json.decode(row.detail).get("id") == approval.id]
    if person(actor) in {person(one) for one in proposers} - {"loop"}:
        fix = "let somebody else approve it: nobody approves what he proposed"
        raise InvalidInput(f"{actor} asked for this approval", Fault("actor", repr(actor[:60]), fix))


def required(connection: Connection, approval_id: str) -> Approval:
    """Raises: NotFound: there is no such approval."""
    row = connection.execute(select(approvals).where(approvals.c.id == approval_id)).first()
    if row is None:
        fix = "list those that wait with `tropism status`"
        raise NotFound(f"there is no approval '{approval_id}'", Fault("id", repr(approval_id), fix))
    return record(Approval, row)


def _of_decision(connection: Connection, decision_id: str) -> Approval | None:
    row = connection.execute(select(approvals).where(approvals.c.decision_id == decision_id)).first()
    return None if row is None else record(Approval, row)


def _require_same(approval: Approval, model: str, version: int, decision_id: str) -> Approval:
    if (approval.model, approval.version, approval.decision_id) != (model, version, decision_id):
        value = f"{approval.id!r}, for decision {approval.decision_id!r} on {approval.model}/{approval.version}"
        raise Conflict("this approval is for something else", Fault("id", value, "use a new id for each decision"))
    return approval


def _note(
    connection: Connection, action: str, model: str, version: int, detail: dict[str, str], actor: str, now: int
) -> None:
    append(connection, at=now, actor=actor, action=action, subject=f"{model}/{version}", detail=detail)
