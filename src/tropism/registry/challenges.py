"""Challenges: which version is being compared with which, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound
from tropism.registry.audit import append
from tropism.registry.records import record
from tropism.registry.versions import require_version
from tropism.storage.tables.schema import challenges

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Kind = Literal["challenge", "probation"]
Ending = Literal["won", "lost", "expired"]


class NewChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """`challenge`: a candidate against the champion. `probation`: the former champion against the new one.
    `alpha` is the chance of a wrong verdict that it may spend.
    """

    id: str
    model: str
    challenger: int
    incumbent: int
    alpha: float
    kind: Kind = "challenge"


class Challenge(NewChallenge, frozen=True, kw_only=True):
    """A challenge that was opened."""

    opened_at: int
    status: Literal["open", "won", "lost", "expired"]
    closed_at: int | None


class Challenges:
    """Opens and closes challenges: so many open a model and kind as the one who opens allows."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def open(self, new: NewChallenge, *, now: int, actor: str = "loop", most: int = 1) -> Challenge:
        """Opens a challenge, one of at most `most` of its kind; the same id again gives the one that was opened.

        Raises:
            Conflict: as many of its kind are open for the model, or the id belongs to another one.
            InvalidInput: a version against itself.
            UnknownModel, UnknownVersion: there is no such version.
        """
        if new.challenger == new.incumbent:
            fault = Fault("challenger", str(new.challenger), "name another version than the incumbent")
            raise InvalidInput("a version cannot challenge itself", fault)
        with self._db.exclusive() as connection:
            return open_challenge(connection, new, now=now, actor=actor, most=most)

    def close(self, challenge_id: str, status: Ending, *, now: int, actor: str = "loop") -> Challenge:
        """Closes a challenge; closing it in the same way again changes nothing.

        Raises:
            NotFound: there is no such challenge.
            Conflict: it ended otherwise.
        """
        with self._db.exclusive() as connection:
            stored = _require(connection, challenge_id)
            if stored.status == status:
                return stored
            if stored.status != "open":
                fault = Fault("status", f"{status!r}, it was {stored.status!r}", "open a new challenge")
                raise Conflict(f"challenge '{challenge_id}' has ended", fault)
            return close_challenge(connection, stored, status, now, actor)

    def get(self, challenge_id: str) -> Challenge:
        """Raises: NotFound: there is no such challenge."""
        with self._db.read() as connection:
            return _require(connection, challenge_id)

    def list_open(self, model: str | None = None) -> tuple[Challenge, ...]:
        """Those that run, the oldest first."""
        query = select(challenges).where(challenges.c.status == "open")
        if model is not None:
            query = query.where(challenges.c.model == model)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(challenges.c.opened_at, challenges.c.id))
            return tuple(record(Challenge, row) for row in rows)


def open_challenge(connection: Connection, new: NewChallenge, *, now: int, actor: str, most: int) -> Challenge:
    """`Challenges.open` as part of a transaction; of a version that is another one than the incumbent."""
    stored = find_challenge(connection, new.id)
    if stored is not None:
        return _require_same(stored, new)
    _require_room(connection, new, most)
    for version in (new.challenger, new.incumbent):
        require_version(connection, new.model, version)
    values = {**msgspec.structs.asdict(new), "opened_at": now, "status": "open"}
    connection.execute(challenges.insert(), values)
    _note(connection, "challenge.opened", new, {"alpha": new.alpha}, actor, now)
    return _require(connection, new.id)


def close_challenge(connection: Connection, stored: Challenge, status: Ending, now: int, actor: str) -> Challenge:
    """Closes an open challenge as part of a transaction."""
    values = {"status": status, "closed_at": now}
    connection.execute(challenges.update().where(challenges.c.id == stored.id).values(**values))
    _note(connection, "challenge.closed", stored, {"status": status}, actor, now)
    return _require(connection, stored.id)


def find_challenge(connection: Connection, challenge_id: str) -> Challenge | None:
    """A challenge, if there is one."""
    row = connection.execute(select(challenges).where(challenges.c.id == challenge_id)).first()
    return None if row is None else record(Challenge, row)


def _require(connection: Connection, challenge_id: str) -> Challenge:
    found = find_challenge(connection, challenge_id)
    if found is None:
        raise NotFound(
            f"there is no challenge '{challenge_id}'",
            Fault("id", repr(challenge_id), "use the id that it was opened with"),
        )
    return found


def _require_room(connection: Connection, new: NewChallenge, most: int) -> None:
    same = (challenges.c.model == new.model) & (challenges.c.kind == new.kind) & (challenges.c.status == "open")
    rows = connection.execute(select(challenges).where(same)).all()
    if len(rows) >= most:
        value = ", ".join(f"{row.id!r}, version {row.challenger} against {row.incumbent}" for row in rows)
        fault = Fault("id", value, "wait until one has ended, or close it")
        raise Conflict(f"a {new.kind} of '{new.model}' is open", fault)


def _require_same(stored: Challenge, new: NewChallenge) -> Challenge:
    fields = ("model", "challenger", "incumbent", "kind")
    if any(getattr(stored, field) != getattr(new, field) for field in fields):
        value = f"{stored.id!r}, of {stored.model}: version {stored.challenger} against {stored.incumbent}"
        raise Conflict("this id belongs to another challenge", Fault("id", value, "use a new id for each challenge"))
    return stored


def _note(
    connection: Connection, action: str, about: NewChallenge, detail: dict[str, float | str], actor: str, now: int
) -> None:
    detail = {"id": about.id, "kind": about.kind, "incumbent": about.incumbent, **detail}
    subject = f"{about.model}/{about.challenger}"
    append(connection, at=now, actor=actor, action=action, subject=subject, detail=detail)
