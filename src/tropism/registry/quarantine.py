"""Quarantine: versions whose code crashed a process. They are neither loaded nor promoted until somebody releases
them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tropism.core.errors import Conflict, Fault
from tropism.core.identity import derived_id, task_tag
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.decisions import NewDecision, digest, store_decision
from tropism.registry.versions import require_version, set_state
from tropism.storage.tables.schema import decisions, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tropism.registry.versions import State
    from tropism.storage.tables import Database


class Quarantine:
    """Puts versions into quarantine, and says which are there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(
        self,
        model: str,
        version: int,
        *,
        reason: str,
        now: int,
        actor: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> bool:
        """Takes a version out of service, in one transaction; False if it was in quarantine already.

        Recorded as a decision and in the audit log. The generation moves, so every data plane lets go of it. An
        alias that points at it stays: what is served instead is up to the data planes.

        Raises:
            UnknownModel, UnknownVersion: there is no such version.
        """
        with self._db.exclusive() as connection:
            was = require_version(connection, model, version).state
            if was == "quarantined":
                return False
            set_state(connection, model, version, "quarantined")
            moved = generation.advance(connection, now)
            made = derived_id(now, f"quarantine:{model}:{version}", task_tag(model))
            given = {"reason": reason, "state_before": was, **(evidence or {})}
            decision = NewDecision(
                id=made, model=model, kind="quarantine", version=version, at=now, actor=actor, evidence=given
            )
            stored = store_decision(connection, decision, {"generation": moved}, now)
            detail = {"reason": reason, "generation": moved, "decision_id": made, "evidence": digest(stored)}
            action, subject = "version.quarantined", f"{model}/{version}"
            append(connection, at=now, actor=actor, action=action, subject=subject, detail=detail)
            return True

    def release(self, model: str, version: int, *, reason: str, now: int, actor: str) -> State:
        """Lets a version out again, in one transaction; the state that it has now, which is the one it had before.

        Recorded in the audit log. The generation moves: if it is live, data planes load it again.

        Raises:
            UnknownModel, UnknownVersion: there is no such version.
            Conflict: it is not in quarantine.
        """
        with self._db.exclusive() as connection:
            state = require_version(connection, model, version).state
            if state != "quarantined":
                fault = Fault("version", f"{model}/{version} is {state}", "nothing needs to be done")
                raise Conflict(f"version {version} of '{model}' is not in quarantine", fault)
            before = _state_before(connection, model, version)
            chosen = (versions.c.model == model) & (versions.c.version == version)
            connection.execute(versions.update().where(chosen).values(state=before))
            moved = generation.advance(connection, now)
            detail = {"reason": reason, "generation": moved, "state": before}
            append(
                connection, at=now, actor=actor, action="version.released", subject=f"{model}/{version}", detail=detail
            )
            return before

    def all(self) -> dict[str, frozenset[int]]:
        """The versions in quarantine, by model; models without are left out."""
        query = select(versions.c.model, versions.c.version).where(versions.c.state == "quarantined")
        found: dict[str, frozenset[int]] = {}
        with self._db.read() as connection:
            for model, version in connection.execute(query):
                found[model] = found.get(model, frozenset()) | {version}
        return found


def _state_before(connection: Connection, model: str, version: int) -> State:
    """What a version was when it was last put into quarantine."""
    columns = decisions.c
    chosen = (columns.model == model) & (columns.version == version) & (columns.kind == "quarantine")
    query = select(columns.evidence).where(chosen).order_by(columns.at.desc(), columns.id.desc()).limit(1)
    evidence = connection.scalar(query) or {}
    state: State = evidence.get("state_before", "candidate")
    return state
