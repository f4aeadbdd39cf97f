"""Levels: on which one each version stands, since when, and how it got there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from sqlalchemy import select

from tropism.core.durations import format_duration, parse_duration
from tropism.core.errors import Conflict, Fault, InvalidInput, PolicyRefused
from tropism.core.governance import NONE, RETIRED, ApprovalGate
from tropism.registry.audit import append
from tropism.registry.decisions import digest
from tropism.registry.gate_runs import last_run
from tropism.registry.level_policies import fingerprint, policy_of, written_policy
from tropism.registry.records import record
from tropism.registry.reviews import counted, reviews_of, use
from tropism.registry.tombstones import require_kept
from tropism.registry.versions import require_version
from tropism.storage.tables.governance_schema import level_moves, version_levels
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.core.governance import Governance, Level
    from tropism.registry.reviews import Review
    from tropism.registry.versions import State
    from tropism.storage.tables import Database


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version stands, since when (µs)."""

    model: str
    version: int
    level: str
    since: int


class LevelMove(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that moved a version from the level `before` to `level`, and what it rested on."""

    id: str
    model: str
    version: int
    before: str
    level: str
    at: int
    actor: str
    reason: str
    evidence: dict[str, Any]


class Levels:
    """Reads levels, and moves versions between them. Each move is one transaction: all of it happens, or none."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, model: str, version: int) -> Standing:
        """Raises: UnknownModel, UnknownVersion: there is no such version."""
        with self._db.read() as connection:
            return standing(connection, model, version)

    def all(self, model: str) -> dict[int, Standing]:
        """Versions of a model that were ever moved, by number."""
        with self._db.read() as connection:
            rows = connection.execute(select(version_levels).where(version_levels.c.model == model))
            return {row.version: record(Standing, row) for row in rows}

    def history(self, model: str, version: int) -> tuple[LevelMove, ...]:
        """Every move of a version, the oldest first."""
        chosen = (level_moves.c.model == model) & (level_moves.c.version == version)
        query = select(level_moves).where(chosen).order_by(level_moves.c.at, level_moves.c.id)
        with self._db.read() as connection:
            return _in_turn([record(LevelMove, row) for row in connection.execute(query)])

    def move(
        self,
        move_id: str,
        model: str,
        version: int,
        level: str,
        *,
        expected: str,
        actor: str,
        now: int,
        reason: str = "",
        keep: bool = False,
    ) -> LevelMove:
        """Moves a version to a level, if it still stands on `expected`; the same id again gives the same move.

        Up, its gates must have passed for this version since it stands where it does, under the policy as it is, no
        longer ago than the policy says; approvals are checked once more and used up. Down, nothing is asked. Whoever
        was on a `single` level is retired, unless `keep`.

        Raises:
            PolicyRefused: the gates did not pass or were not run; a fault for each says what would pass.
            Conflict: it stands elsewhere, or there already, is in quarantine, or was deleted.
            InvalidInput: there is no such level, or it is `retired`, which `Retiring.retire` moves to.
            UnknownModel, UnknownVersion, UnknownTask: there is none.
        """
        with self._db.exclusive() as connection:
            done = find_move(connection, move_id)
            if done is not None:
                return _require_same(done, model, version, level)
            state = require_version(connection, model, version).state
            require_kept(connection, model, version)
            at = standing(connection, model, version)
            _require_place(at, level, expected)
            evidence: dict[str, Any] = {}
            if level != NONE:
                policy = policy_of(connection, model)
                wanted = policy.level(level)
                if policy.rank(level) > policy.rank(at.level):
                    _require_free(at, level, state)
                    evidence = _passed(connection, policy, at, level, move_id, now)
                if wanted.single and not keep:
                    evidence["replaces"] = _retire_others(connection, wanted, at, move_id, actor, now)
            return write_move(connection, move_id, at, level, actor, now, reason, evidence)


def standing(connection: Connection, model: str, version: int) -> Standing:
    """Where a version stands. Raises: UnknownModel, UnknownVersion."""
    made = require_version(connection, model, version).created_at
    chosen = (version_levels.c.model == model) & (version_levels.c.version == version)
    row = connection.execute(select(version_levels).where(chosen)).first()
    if row is None:
        return Standing(model=model, version=version, level=NONE, since=made)
    return record(Standing, row)


def require_top(connection: Connection, model: str, version: int) -> None:
    """Raises: PolicyRefused: somebody wrote a policy for the model, and the version is not on its highest level."""
    policy = written_policy(connection, model)
    if policy is None:
        return
    top, at = policy.levels[-1].name, standing(connection, model, version).level
    if at != top:
        fix = f"bring it to '{top}' first: tropism gates {model} {version} --level {top}"
        fault = Fault("version", f"{version}, on '{at}'", fix)
        raise PolicyRefused(f"only versions on the level '{top}' become champion of '{model}'", fault)


def find_move(connection: Connection, move_id: str) -> LevelMove | None:
    """The move with that id, or None."""
    row = connection.execute(select(level_moves).where(level_moves.c.id == move_id)).first()
    return None if row is None else record(LevelMove, row)


def write_move(
    connection: Connection,
    move_id: str,
    at: Standing,
    level: str,
    actor: str,
    now: int,
    reason: str,
    evidence: dict[str, Any],
) -> LevelMove:
    """Moves a version from where it stands, and writes all that goes with it."""
    subject = {"model": at.model, "version": at.version}
    upsert(connection, version_levels, {**subject, "level": level, "since": now})
    facts = {"before": at.level, "level": level, "at": now, "actor": actor, "reason": reason}
    connection.execute(level_moves.insert(), {"id": move_id, **subject, **facts, "evidence": evidence})
    detail = {"id": move_id, "before": at.level, "level": level, "reason": reason, "evidence": digest(evidence)}
    name = f"{at.model}/{at.version}"
    append(connection, at=now, actor=actor, action="level.moved", subject=name, detail=detail)
    found = find_move(connection, move_id)
    assert found is not None
    return found


def _require_same(done: LevelMove, model: str, version: int, level: str) -> LevelMove:
    if (done.model, done.version, done.level) != (model, version, level):
        value = f"{done.id!r}, which moved {done.model}/{done.version} to {done.level}"
        raise Conflict("this id belongs to another move", Fault("id", value, "use a new id for each move"))
    return done


def _require_place(at: Standing, level: str, expected: str) -> None:
    if level == RETIRED:
        fault = Fault("level", repr(level), f"retire it: tropism retire {at.model} {at.version}")
        raise InvalidInput("no version is moved to this level", fault)
    if at.level != expected:
        fault = Fault("expected", repr(expected), f"it stands on '{at.level}' now; look again and decide again")
        raise Conflict(f"version {at.version} of '{at.model}' was moved by somebody else", fault)
    if at.level == level:
        fault = Fault("level", repr(level), "nothing is left to do")
        raise Conflict(f"version {at.version} of '{at.model}' stands there already", fault)


def _require_free(at: Standing, level: str, state: State) -> None:
    """Raises: Conflict: it is retired or in quarantine."""
    if at.level == RETIRED:
        fault = Fault("level", repr(level), f"bring it back first: move it to '{NONE}'")
        raise Conflict(f"version {at.version} is retired", fault)
    if state == "quarantined":
        fault = Fault("version", str(at.version), "let it out first: `tropism release`")
        raise Conflict(f"version {at.version} of '{at.model}' is in quarantine", fault)


def _passed(
    connection: Connection, policy: Governance, at: Standing, level: str, move_id: str, now: int
) -> dict[str, Any]:
    """The evidence that a level's gates passed; uses up the approvals that they rested on."""
    gates = policy.level(level).gates
    if not gates:
        return {"gates": []}
    run = last_run(connection, at.model, at.version, level)
    again = f"run them: tropism gates {at.model} {at.version} --level {level}"
    if run is None:
        _refuse(at, level, Fault("gates", "not run", again))
    if run.failed:
        _refuse(at, level, *(Fault(one.name, _found(one.measured), one.message) for one in run.failed))
    if run.policy != fingerprint(policy, level):
        _refuse(at, level, Fault("gates", "passed under another policy", again))
    if run.at < at.since:
        _refuse(at, level, Fault("gates", f"passed before it came to '{at.level}'", again))
    if now - run.at > parse_duration(policy.results):
        _refuse(at, level, Fault("gates", f"passed {format_duration(now - run.at)} ago", again))
    used: list[Review] = []
    for gate in gates:
        if isinstance(gate, ApprovalGate):
            found, missing = counted(gate, reviews_of(connection, at.model, at.version), level, now)
            if missing:
                _refuse(at, level, Fault("approval", str(len(found)), missing))
            used += found
    use(connection, used, move_id, now)
    kept = {"run": run.id, "policy": run.policy, "artifact": run.artifact, "gates": msgspec.to_builtins(run.results)}
    return {**kept, "reviews": [one.id for one in used]}


def _found(measured: float | None) -> str:
    return "not assessed" if measured is None else f"{measured:.4g}"


def _refuse(at: Standing, level: str, *faults: Fault) -> NoReturn:
    raise PolicyRefused(f"version {at.version} of '{at.model}' has not passed the gates of '{level}'", *faults)


def _retire_others(connection: Connection, level: Level, at: Standing, move_id: str, actor: str, now: int) -> list[int]:
    """Retires the other versions on a level; their numbers."""
    columns = version_levels.c
    chosen = (columns.model == at.model) & (columns.level == level.name) & (columns.version != at.version)
    others = [record(Standing, row) for row in connection.execute(select(version_levels).where(chosen))]
    for other in others:
        reason = f"replaced by version {at.version}"
        write_move(connection, f"{move_id}/{other.version}", other, RETIRED, actor, now, reason, {"move": move_id})
    return [other.version for other in others]


def _in_turn(moves: list[LevelMove]) -> tuple[LevelMove, ...]:
    """Moves of one version, by time; of those at one moment, as one turn of the loop makes, each begins where the one
    before ended."""
    left, done = list(moves), list[LevelMove]()
    while left:
        stands = done[-1].level if done else NONE
        same = [one for one in left if one.at == left[0].at]
        done.append(next((one for one in same if one.before == stands), left[0]))
        left.remove(done[-1])
    return tuple(done)
