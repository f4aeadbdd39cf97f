"""Feature flags, as they were written last, and who changed what."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound
from tropism.core.faults import one_of
from tropism.core.flag import Flag, FlagEnvironment, check_flag, dependents, keep_off
from tropism.registry import generation
from tropism.registry.audit import append
from tropism.registry.flag_exposures import FlagExposures, forget
from tropism.registry.records import unreadable
from tropism.storage.tables.flags_schema import flags
from tropism.storage.tables.schema import audit, progress
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from tropism.storage.tables import Database

NAME = "registry/flags"
_QUERY = select(progress.c.value).where(progress.c.name == NAME)
Action = Literal["flag.created", "flag.changed", "flag.toggled", "flag.deleted"]


class StoredFlag(msgspec.Struct, frozen=True, kw_only=True):
    """A flag and its `revision`, which counts its changes from 1. Times in µs."""

    flag: Flag
    revision: int
    created_at: int
    updated_at: int


class FlagChange(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a flag's history. `before` and `after` are SHA-256 of its specification, empty where there was none.

    `changed`: the fields that differ. `detail`: what else was said, such as `enabled` of a toggle.
    """

    seq: int
    at: int
    actor: str
    action: str
    before: str = ""
    after: str = ""
    changed: tuple[str, ...] = ()
    detail: dict[str, Any] = {}


class Flags:
    """Flags by key. Every change is one transaction, leaves an audit row and moves the generation.

    `exposures`: how often their variants were given.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.exposures = FlagExposures(db)

    def put(self, flag: Flag, *, actor: str, now: int, revision: int | None = None, comment: str = "") -> StoredFlag:
        """Makes a flag, or replaces it; the same again changes nothing.

        `revision`: refuse unless the flag is at this one still (0: unless there is none).

        Raises:
            InvalidInput: it makes no sense, such as one that needs itself; a fault for each field.
            Conflict: it is at another revision.
        """
        with self._db.exclusive() as connection:
            known = _all(connection)
            found = known.get(flag.key)
            _check_revision(flag.key, 0 if found is None else found.revision, revision)
            check_flag(flag, {one.flag.key: one.flag for one in known.values()})
            action: Action = "flag.created" if found is None else "flag.changed"
            return _save(connection, found, flag, action, actor, now, {"comment": comment} if comment else {})

    def declare(
        self, declared: Sequence[Flag], *, actor: str, now: int
    ) -> tuple[tuple[StoredFlag | None, StoredFlag], ...]:
        """Makes flags or replaces them, all or none: each as it was, and as it is. Others stay.

        They may need one another, in any order. What was switched off or killed stays so (`keep_off`).

        Raises:
            InvalidInput: one of them makes no sense.
        """
        with self._db.exclusive() as connection:
            known = _all(connection)
            wanted = [keep_off(one, known[one.key].flag) if one.key in known else one for one in declared]
            after = {key: one.flag for key, one in known.items()} | {one.key: one for one in wanted}
            for flag in wanted:
                check_flag(flag, after)
            made = []
            for flag in wanted:
                found = known.get(flag.key)
                action: Action = "flag.created" if found is None else "flag.changed"
                made.append((found, _save(connection, found, flag, action, actor, now, {})))
            return tuple(made)

    def toggle(self, key: str, enabled: bool, *, actor: str, now: int, environment: str | None = None) -> StoredFlag:
        """Switches a flag on or off, everywhere or in one environment of it.

        Raises:
            NotFound: there is no such flag.
            InvalidInput: the name of the environment is none.
        """
        with self._db.exclusive() as connection:
            found = _require(connection, key)
            if environment is None:
                flag = msgspec.structs.replace(found.flag, enabled=enabled)
            else:
                own = found.flag.environments.get(environment, FlagEnvironment())
                changed = {environment: msgspec.structs.replace(own, enabled=enabled)}
                flag = msgspec.structs.replace(found.flag, environments={**found.flag.environments, **changed})
                check_flag(flag, {one.flag.key: one.flag for one in _all(connection).values()})
            said = {"enabled": enabled, "environment": environment}
            return _save(connection, found, flag, "flag.toggled", actor, now, said)

    def kill(self, key: str, killed: bool, *, actor: str, now: int) -> StoredFlag:
        """Switches a flag off in every environment, whatever it says, or ends that.

        Raises:
            NotFound: there is no such flag.
        """
        with self._db.exclusive() as connection:
            found = _require(connection, key)
            flag = msgspec.structs.replace(found.flag, killed=killed)
            return _save(connection, found, flag, "flag.toggled", actor, now, {"killed": killed})

    def delete(self, key: str, *, actor: str, now: int) -> StoredFlag:
        """Deletes a flag; as it was. Its history stays.

        Raises:
            NotFound: there is no such flag.
            Conflict: other flags need it.
        """
        with self._db.exclusive() as connection:
            found = _require(connection, key)
            needed = dependents(key, {one.flag.key: one.flag for one in _all(connection).values()})
            if needed:
                fix = "change or delete those first"
                raise Conflict(f"other flags need '{key}'", Fault("key", ", ".join(needed)[:400], fix))
            connection.execute(flags.delete().where(flags.c.key == key))
            forget(connection, key)
            detail = {"before": _digest(_spec(found.flag)), "after": "", "revision": found.revision}
            _note(connection, key, "flag.deleted", actor, now, detail)
            return found

    def get(self, key: str) -> StoredFlag:
        """Raises: NotFound: there is no such flag; lists those there are."""
        with self._db.read() as connection:
            return _require(connection, key)

    def all(self) -> tuple[StoredFlag, ...]:
        """Every flag, by key."""
        with self._db.read() as connection:
            return tuple(_all(connection).values())

    def revision(self) -> int:
        """A number that grows with every change to any flag. One look-up by key: fit to be polled.

        Read it before `all`, so that a change in between is seen at the next poll.
        """
        with self._db.read() as connection:
            return connection.scalar(_QUERY) or 0

    def history(self, key: str, limit: int = 100) -> tuple[FlagChange, ...]:
        """What happened to a flag, the newest first; also to one that was deleted.

        Raises:
            NotFound: there never was such a flag.
        """
        chosen = (audit.c.subject == key) & audit.c.action.startswith("flag.")
        with self._db.read() as connection:
            rows = connection.execute(select(audit).where(chosen).order_by(audit.c.seq.desc()).limit(limit)).all()
            if not rows:
                _require(connection, key)
        return tuple(_change(row) for row in rows)


def _save(
    connection: Connection,
    found: StoredFlag | None,
    flag: Flag,
    action: Action,
    actor: str,
    now: int,
    said: dict[str, Any],
) -> StoredFlag:
    spec, before = _spec(flag), "" if found is None else _spec(found.flag)
    if found is not None and spec == before:
        return found
    made = StoredFlag(
        flag=flag,
        revision=1 if found is None else found.revision + 1,
        created_at=now if found is None else found.created_at,
        updated_at=now,
    )
    values = {"key": flag.key, "spec": spec, "revision": made.revision}
    upsert(connection, flags, {**values, "created_at": made.created_at, "updated_at": now})
    changed = [] if found is None else _differing(found.flag, flag)
    digests = {"before": _digest(before) if before else "", "after": _digest(spec)}
    _note(connection, flag.key, action, actor, now, {**digests, "revision": made.revision, "changed": changed, **said})
    return made


def _note(connection: Connection, key: str, action: Action, actor: str, now: int, detail: dict[str, Any]) -> None:
    if not actor:
        raise InvalidInput("nobody is named", Fault("actor", "''", "say who does it"))
    moved = generation.advance(connection, now)
    upsert(connection, progress, {"name": NAME, "value": (connection.scalar(_QUERY) or 0) + 1, "updated_at": now})
    detail = {**detail, "generation": moved}
    append(connection, at=now, actor=actor, action=action, subject=key, detail=detail)


def _check_revision(key: str, at: int, expected: int | None) -> None:
    if expected is not None and expected != at:
        fix = "read it again, and change what is there now"
        raise Conflict(f"the flag '{key}' is at revision {at}", Fault("revision", str(expected), fix))


def _differing(before: Flag, after: Flag) -> list[str]:
    return [name for name in Flag.__struct_fields__ if getattr(before, name) != getattr(after, name)]


def _spec(flag: Flag) -> str:
    """One text for equal flags; the order of variants and shares is a part of a flag."""
    return msgspec.json.encode(flag).decode()


def _digest(spec: str) -> str:
    return hashlib.sha256(spec.encode()).hexdigest()


def _all(connection: Connection) -> dict[str, StoredFlag]:
    return {row.key: _stored(row) for row in connection.execute(select(flags).order_by(flags.c.key))}


def _require(connection: Connection, key: str) -> StoredFlag:
    row = connection.execute(select(flags).where(flags.c.key == key)).first()
    if row is None:
        known = connection.scalars(select(flags.c.key))
        fix = one_of(key, known, "flags", "make it with `tropism flags set`")
        raise NotFound(f"there is no flag '{key[:100]}'", Fault("key", repr(key[:100]), fix))
    return _stored(row)


def _stored(row: Row[Any]) -> StoredFlag:
    try:
        flag = msgspec.json.decode(row.spec, type=Flag)
    except msgspec.DecodeError as error:
        raise unreadable("flag", row.key, error) from error
    return StoredFlag(flag=flag, revision=row.revision, created_at=row.created_at, updated_at=row.updated_at)


def _change(row: Row[Any]) -> FlagChange:
    try:
        detail = msgspec.json.decode(row.detail, type=dict[str, Any])
        before, after = str(detail.pop("before", "")), str(detail.pop("after", ""))
        changed = msgspec.convert(detail.pop("changed", ()), tuple[str, ...])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise unreadable("audit row", row.seq, error) from error
    return FlagChange(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        action=row.action,
        before=before,
        after=after,
        changed=changed,
        detail=detail,
    )
