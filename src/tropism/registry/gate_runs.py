"""What gates found about versions: the evidence that levels rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault
from tropism.core.governance import GateResult
from tropism.registry.audit import append
from tropism.registry.decisions import digest
from tropism.registry.level_policies import fingerprint, policy_of
from tropism.registry.records import record
from tropism.registry.tombstones import require_kept
from tropism.registry.versions import require_version
from tropism.storage.tables.governance_schema import gate_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from tropism.storage.tables import Database


class GateRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a level's gates. `policy`: fingerprint of what the level asked for; `at`: µs."""

    id: str
    model: str
    version: int
    level: str
    artifact: str
    policy: str
    passed: bool
    results: tuple[GateResult, ...]
    at: int
    actor: str

    @property
    def failed(self) -> tuple[GateResult, ...]:
        return tuple(one for one in self.results if not one.passed)


class GateRuns:
    """Keeps the results of gates."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        run_id: str,
        model: str,
        version: int,
        level: str,
        results: Sequence[GateResult],
        *,
        policy: str,
        actor: str,
        now: int,
    ) -> GateRun:
        """Keeps a run, with a row in the audit log; the same id again gives the run that was kept.

        `policy`: the fingerprint of what was asked for when the gates ran.

        Raises:
            Conflict: the policy was changed while the gates ran, the version was deleted, or the id is another run's.
            UnknownModel, UnknownVersion, UnknownTask: there is none.
        """
        with self._db.exclusive() as connection:
            chosen = require_version(connection, model, version)
            stored = _find(connection, run_id)
            if stored is not None:
                return _require_same(stored, model, version, level)
            require_kept(connection, model, version)
            if fingerprint(policy_of(connection, model), level) != policy:
                raise Conflict("the policy was changed while the gates ran", Fault("level", level, "run them again"))
            found = msgspec.to_builtins(tuple(results))
            passed = all(one.passed for one in results)
            facts = {"level": level, "artifact": chosen.artifact, "policy": policy, "passed": passed}
            values = {"id": run_id, "model": model, "version": version, "results": found, "at": now, "actor": actor}
            connection.execute(gate_runs.insert(), {**values, **facts})
            detail = {"id": run_id, **facts, "results": digest({"results": found})}
            subject = f"{model}/{version}"
            append(connection, at=now, actor=actor, action="level.gates", subject=subject, detail=detail)
            stored = _find(connection, run_id)
            assert stored is not None
            return stored

    def list(self, model: str, version: int, limit: int = 20) -> tuple[GateRun, ...]:
        """The newest first."""
        chosen = (gate_runs.c.model == model) & (gate_runs.c.version == version)
        query = select(gate_runs).where(chosen).order_by(gate_runs.c.at.desc(), gate_runs.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            return tuple(record(GateRun, row) for row in connection.execute(query))


def last_run(connection: Connection, model: str, version: int, level: str) -> GateRun | None:
    """The newest run of a level's gates on a version."""
    columns = gate_runs.c
    chosen = (columns.model == model) & (columns.version == version) & (columns.level == level)
    query = select(gate_runs).where(chosen).order_by(columns.at.desc(), columns.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else record(GateRun, row)


def _find(connection: Connection, run_id: str) -> GateRun | None:
    row = connection.execute(select(gate_runs).where(gate_runs.c.id == run_id)).first()
    return None if row is None else record(GateRun, row)


def _require_same(stored: GateRun, model: str, version: int, level: str) -> GateRun:
    if (stored.model, stored.version, stored.level) != (model, version, level):
        value = f"{stored.id!r}, of {stored.model}/{stored.version} for {stored.level}"
        raise Conflict("this id belongs to another run", Fault("id", value, "use a new id for each run"))
    return stored
