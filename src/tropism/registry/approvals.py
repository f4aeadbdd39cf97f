"""Approvals: a person's word that a decision may take effect. Good for that decision, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import or_, select

from tropism.core.errors import Conflict, Fault, NotFound, PolicyRefused
from tropism.registry.audit import append
from tropism.registry.records import record
from tropism.registry.versions import require_version
from tropism.storage.tables.schema import approvals

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Verdict = Literal["approved", "refused"]


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
            return _require(connection, approval_id)

    def approve(self, approval_id: str, *, actor: str, now: int, comment: str = "") -> Approval:
        """Raises: NotFound: there is no such approval. Conflict: it was answered before, otherwise or by another."""
        return self._answer(approval_id, "approved", actor, now, comment)

    def refuse(self, approval_id: str, *, actor: str, now: int, comment: str = "") -> Approval:
        """Raises: NotFound: there is no such approval. Conflict: it was answered before, otherwise or by another."""
        return self._answer(approval_id, "refused", actor, now, comment)

    def get(self, approval_id: str) -> Approval:
        """Raises: NotFound: there is no such approval."""
        with self._db.read() as connection:
            return _require(connection, approval_id)

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

    def _answer(self, approval_id: str, verdict: Verdict, actor: str, now: int, comment: str) -> Approval:
        with self._db.exclusive() as connection:
            approval = _require(connection, approval_id)
            if approval.status == "pending":
                values = {"status": verdict, "actor": actor, "comment": comment, "decided_at": now}
                connection.execute(approvals.update().where(approvals.c.id == approval_id).values(**values))
                detail = {"id": approval_id, "decision": approval.decision_id, "comment": comment}
                _note(connection, f"approval.{verdict}", approval.model, approval.version, detail, actor, now)
                return _require(connection, approval_id)
        given = "refused" if approval.status == "refused" else "approved"
        if (given, approval.actor) != (verdict, actor):
            fix = "wait for a new decision and answer its approval"
            raise Conflict(f"it was {given} before by {approval.actor}", Fault("id", repr(approval_id), fix))
        return approval


def spend(connection: Connection, model: str, version: int, decision_id: str, *, needed: bool) -> None:
    """Uses up the approval of a decision; where none is `needed`, closes one that was asked for all the same.

    Raises:
        PolicyRefused: it is missing, not answered, refused, or used before.
    """
    approval = _of_decision(connection, decision_id)
    fits = approval is not None and (approval.model, approval.version) == (model, version)
    status = approval.status if approval is not None and fits else "not asked for"
    if needed and status != "approved":
        reasons = {"pending": "not answered yet", "spent": "used before"}
        fix = "approve the decision with `tropism promote`, or promote with force, which is noted"
        value = f"{decision_id!r}, whose approval is {reasons.get(status, status)}"
        raise PolicyRefused(f"promoting {model}/{version} needs approval", Fault("decision_id", value, fix))
    if fits and status != "refused":
        chosen = approvals.c.decision_id == decision_id
        connection.execute(approvals.update().where(chosen).values(status="spent"))


def _require(connection: Connection, approval_id: str) -> Approval:
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
