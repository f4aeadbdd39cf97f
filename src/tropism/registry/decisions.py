"""Decisions: what was decided about a model, by whom, and on what evidence."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import func, select

from tropism.core.errors import Conflict, Fault, UnknownDecision
from tropism.registry.audit import append
from tropism.registry.records import record
from tropism.registry.versions import require_version, set_state
from tropism.storage.tables.json import encode
from tropism.storage.tables.schema import decisions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Kind = Literal["promote", "reject", "wait", "rollback", "keep", "train", "quarantine", "advance"]


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision to record. `at` is the moment it speaks about; `evidence` all that is needed to recompute it."""

    id: str
    model: str
    kind: Kind
    at: int
    actor: str
    version: int | None = None
    evidence: dict[str, Any] = {}


class Decision(NewDecision, frozen=True, kw_only=True):
    """A recorded decision. `effect` says what it moved; None while it has moved nothing."""

    effect: dict[str, Any] | None
    created_at: int


class Decisions:
    """Records and reads decisions."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def record(self, new: NewDecision, *, now: int) -> Decision:
        """Records a decision that moves nothing by itself; the first evidence given for an id stays.

        A `reject` marks its version as rejected. A `promote` that waits for approval is recorded here, and takes
        effect by `Promotion.promote` with the same id. Looks that end in `wait` are not in the audit log.

        Raises:
            Conflict: the id belongs to another decision.
            UnknownModel, UnknownVersion: there is no such version.
        """
        with self._db.exclusive() as connection:
            stored = find_decision(connection, new.id)
            if stored is not None:
                require_same(stored, new.kind, new.model, new.version)
                return stored
            if new.version is not None:
                chosen = require_version(connection, new.model, new.version)
                if new.kind == "reject" and chosen.state == "candidate":
                    set_state(connection, new.model, new.version, "rejected")
            store_decision(connection, new, None, now)
            if new.kind != "wait":
                detail = {"id": new.id, "kind": new.kind, "version": new.version, "evidence": digest(new.evidence)}
                action = "decision.recorded"
                append(connection, at=now, actor=new.actor, action=action, subject=new.model, detail=detail)
            return Decision(**msgspec.structs.asdict(new), effect=None, created_at=now)

    def get(self, decision_id: str) -> Decision:
        """Raises: UnknownDecision: there is none with that id."""
        with self._db.read() as connection:
            found = find_decision(connection, decision_id)
        if found is None:
            fix = "list them with `tropism decisions`"
            raise UnknownDecision(f"there is no decision '{decision_id}'", Fault("id", repr(decision_id), fix))
        return found

    def list(self, model: str | None = None, limit: int = 100, kind: Kind | None = None) -> tuple[Decision, ...]:
        """The newest first, by the moment they speak about."""
        query = select(decisions).order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(decisions.c.model == model)
        if kind is not None:
            query = query.where(decisions.c.kind == kind)
        with self._db.read() as connection:
            return tuple(record(Decision, row) for row in connection.execute(query))

    def count(self, part: str) -> int:
        """How many decisions have an id that this is part of."""
        query = select(func.count()).select_from(decisions).where(decisions.c.id.contains(part, autoescape=True))
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())


def find_decision(connection: Connection, decision_id: str) -> Decision | None:
    """The decision with that id, or None."""
    row = connection.execute(select(decisions).where(decisions.c.id == decision_id)).first()
    return None if row is None else record(Decision, row)


def store_decision(connection: Connection, new: NewDecision, effect: dict[str, Any] | None, now: int) -> dict[str, Any]:
    """Writes a decision; one that was recorded before only gets its effect. The evidence that it rests on.

    Raises:
        Conflict: the id belongs to another decision.
    """
    stored = find_decision(connection, new.id)
    if stored is not None:
        require_same(stored, new.kind, new.model, new.version)
        connection.execute(decisions.update().where(decisions.c.id == new.id).values(effect=effect))
        return stored.evidence
    values = {**msgspec.structs.asdict(new), "effect": effect, "created_at": now}
    connection.execute(decisions.insert(), values)
    return new.evidence


def require_same(stored: Decision, kind: str, model: str, version: int | None) -> None:
    """Raises: Conflict: the stored decision is not of this kind, model and version."""
    if (stored.kind, stored.model, stored.version) != (kind, model, version):
        value = f"{stored.id!r}, which is '{stored.kind}' of {stored.model}/{stored.version}"
        fix = "use a new id for each decision"
        raise Conflict("this id belongs to another decision", Fault("decision_id", value, fix))


def digest(evidence: Mapping[str, Any]) -> str:
    """SHA-256 of the evidence as it is stored, for the audit log."""
    return hashlib.sha256(encode(evidence).encode()).hexdigest()
