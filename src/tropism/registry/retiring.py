"""Versions that have had their day: retired ones are kept and not served, of deleted ones a tombstone is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from sqlalchemy import and_, or_, select

from tropism.core.errors import Conflict, Fault, TropismError
from tropism.core.governance import DELETED, RETIRED
from tropism.core.identity import derived_id, task_tag
from tropism.registry.aliases import CHAMPION, PREVIOUS, pointers
from tropism.registry.audit import append
from tropism.registry.levels import find_move, standing, write_move
from tropism.registry.tombstones import Tombstone, find_tombstone, require_kept
from tropism.registry.versions import require_version, set_state
from tropism.storage.tables.governance_schema import tombstones
from tropism.storage.tables.schema import approvals, challenges, versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from tropism.registry.levels import LevelMove
    from tropism.storage.tables import Database


class Stored(Protocol):
    """Where artifacts lie, as far as deleting them needs to know."""

    def put(self, data: bytes) -> str: ...

    def get(self, digest: str) -> bytes: ...

    def delete(self, digest: str) -> None: ...


class Retiring:
    """Retires and deletes versions. Neither touches what is served, or compared with it."""

    def __init__(self, db: Database, blobs: Stored) -> None:
        self._db = db
        self._blobs = blobs

    def retire(self, move_id: str, model: str, version: int, *, actor: str, now: int, reason: str = "") -> LevelMove:
        """Takes a version off the levels; it is kept, and `Levels.move` to `none` brings it back.

        Raises:
            Conflict: it is the champion or the one before it, an open comparison needs it, it is retired already, or
                it was deleted.
            UnknownModel, UnknownVersion: there is none.
        """
        with self._db.exclusive() as connection:
            done = find_move(connection, move_id)
            if done is not None and (done.model, done.version, done.level) == (model, version, RETIRED):
                return done
            require_version(connection, model, version)
            require_kept(connection, model, version)
            at = standing(connection, model, version)
            if at.level == RETIRED:
                fault = Fault("version", str(version), "nothing is left to do")
                raise Conflict(f"version {version} of '{model}' is retired already", fault)
            _require_unused(connection, model, version, (CHAMPION, PREVIOUS), "retired")
            return write_move(connection, move_id, at, RETIRED, actor, now, reason, {})

    def delete(self, model: str, version: int, *, actor: str, now: int, reason: str) -> Tombstone:
        """Deletes a version's artifact for good, but for what other versions share of it. Its number is not used
        again, and what was decided about it stays. Deleting it again finishes what was cut off.

        Raises:
            Conflict: an alias points at it, an open comparison needs it, or its promotion waits for approval.
            UnknownModel, UnknownVersion: there is none.
            NotReady, NotWritable: the store does not let go of the artifact; try again.
        """
        with self._db.exclusive() as connection:
            chosen = require_version(connection, model, version)
            found = find_tombstone(connection, model, version)
            if found is None:
                _require_unused(connection, model, version, tuple(pointers(connection, model)), "deleted")
                _require_unasked(connection, model, version)
                values = {"model": model, "version": version, "artifact": chosen.artifact, "learner": chosen.learner}
                found = Tombstone(**values, at=now, actor=actor, reason=reason)  # type: ignore[arg-type]
                connection.execute(tombstones.insert(), msgspec.structs.asdict(found))
                if chosen.state == "candidate":
                    set_state(connection, model, version, "rejected")
                made = derived_id(now, f"delete:{model}:{version}", task_tag(model))
                at = standing(connection, model, version)
                write_move(connection, made, at, DELETED, actor, now, reason, {"artifact": chosen.artifact})
                detail = {"artifact": chosen.artifact, "reason": reason}
                subject = f"{model}/{version}"
                append(connection, at=now, actor=actor, action="version.deleted", subject=subject, detail=detail)
            others = _kept_artifacts(connection)
        self._remove(found.artifact, others)
        return found

    def tombstone(self, model: str, version: int) -> Tombstone | None:
        """What is left of a version; None while it was not deleted."""
        with self._db.read() as connection:
            return find_tombstone(connection, model, version)

    def _remove(self, artifact: str, others: frozenset[str]) -> None:
        """Deletes the blobs that no other version needs: the files first, since the manifest is what names them."""
        if artifact in others:
            return
        mine = _files(artifact, self._blobs)
        if mine:
            needed = [_files(other, self._blobs) for other in others]
            if None in needed:  # somebody's needs cannot be told, so nothing that may be shared goes
                mine = frozenset()
            for digest in sorted(mine.difference(*(one or () for one in needed))):
                self._blobs.delete(digest)
        self._blobs.delete(artifact)


def _files(artifact: str, blobs: Stored) -> frozenset[str] | None:
    """The digests of an artifact's files; None where its manifest cannot be read."""
    from tropism.learners.artifact import read_manifest

    try:
        return frozenset(one.sha256 for one in read_manifest(artifact, blobs).files)
    except TropismError:
        return None


def _kept_artifacts(connection: Connection) -> frozenset[str]:
    """Artifacts of versions that were not deleted."""
    same = and_(tombstones.c.model == versions.c.model, tombstones.c.version == versions.c.version)
    query = select(versions.c.artifact).outerjoin(tombstones, same).where(tombstones.c.model.is_(None)).distinct()
    return frozenset(connection.scalars(query))


def _require_unused(connection: Connection, model: str, version: int, pinning: Iterable[str], what: str) -> None:
    """Raises: Conflict: one of the aliases `pinning` points at it, or an open challenge needs it."""
    pointing = pointers(connection, model)
    for alias in pinning:
        if pointing.get(alias) == version:
            ways = {
                CHAMPION: "promote another version first",
                PREVIOUS: "it is what a rollback goes back to; promote a further version first",
            }
            fix = ways.get(alias, f"point the alias '{alias}' at another version first")
            fault = Fault("version", f"{version}, '{alias}' of '{model}'", fix)
            raise Conflict(f"version {version} of '{model}' cannot be {what}", fault)
    columns = challenges.c
    either = or_(columns.challenger == version, columns.incumbent == version)
    chosen = and_(columns.model == model, columns.status == "open", either)
    found = connection.execute(select(columns.id, columns.kind).where(chosen)).first()
    if found is not None:
        fault = Fault("version", f"{version}, in {found.kind} {found.id}", "wait until that has ended")
        raise Conflict(f"version {version} of '{model}' cannot be {what}: it is being compared", fault)


def _require_unasked(connection: Connection, model: str, version: int) -> None:
    """Raises: Conflict: people are asked whether it becomes the champion."""
    columns = approvals.c
    asked = (columns.model == model) & (columns.version == version) & (columns.status == "pending")
    if connection.execute(select(columns.id).where(asked)).first() is not None:
        fix = f"refuse that first: tropism approve {model} {version} --refuse"
        fault = Fault("version", f"{version}, whose promotion waits for approval", fix)
        raise Conflict(f"version {version} of '{model}' cannot be deleted", fault)
