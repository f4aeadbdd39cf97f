"""The audit log: every change to the registry, each row chained to the one before by SHA-256.

The digest of a row covers the digest of the row before and all of its own content, so a row that was changed,
removed or put in shows. The head of the chain is kept beside the log, so that a cut tail shows too. Whoever
can write the tables can forge all of it at once: note `Audit.head` elsewhere from time to time to rule that out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from tropism.core.errors import Fault, InvalidInput
from tropism.registry.records import record
from tropism.storage.tables.json import encode
from tropism.storage.tables.schema import audit, progress
from tropism.storage.tables.turns import take_turn
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

HEAD = "registry/audit"
_GENESIS = "0" * 64
_PAGE = 1_000
_LONGEST_NAME = 200


class Entry(msgspec.Struct, frozen=True):
    """One change. `detail` is the JSON text that the digest covers."""

    seq: int
    at: int
    actor: str
    action: str
    subject: str
    detail: str
    previous: str
    digest: str


class Head(msgspec.Struct, frozen=True):
    """The last row written. `seq` is 0 before the first."""

    seq: int = 0
    digest: str = _GENESIS


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with the log, and at which row."""

    seq: int
    problem: str


def append(connection: Connection, *, at: int, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> int:
    """Writes a row in the transaction given; its `seq`. Appends wait for one another until they commit.

    Raises:
        InvalidInput: the actor is nobody, or has characters that nobody sees.
    """
    require_actor(actor)
    take_turn(connection)
    head = _head(connection) or _last(connection)
    seq, text = head.seq + 1, encode(detail)
    digest = _digest(head.digest, seq, at, actor, action, subject, text)
    content = {"seq": seq, "at": at, "actor": actor, "action": action, "subject": subject, "detail": text}
    connection.execute(audit.insert(), {**content, "previous": head.digest, "digest": digest})
    value = {"seq": seq, "digest": digest}
    upsert(connection, progress, {"name": HEAD, "value": value, "updated_at": at})
    return seq


def require_actor(actor: str) -> None:
    """Raises: InvalidInput: this is not 1 to 200 characters that can be seen.

    >>> require_actor("Ann Lee")
    >>> require_actor("ann\\x00")
    Traceback (most recent call last):
        ...
    tropism.core.errors.InvalidInput: a change needs the name of who makes it
      actor: got 'ann\\x00'; say who, in 1 to 200 characters that can be seen
    """
    if not actor.strip() or len(actor) > _LONGEST_NAME or not actor.isprintable():
        fix = f"say who, in 1 to {_LONGEST_NAME} characters that can be seen"
        raise InvalidInput("a change needs the name of who makes it", Fault("actor", ascii(actor[:60]), fix))


class Audit:
    """Reads and verifies the audit log."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def list(self, limit: int = 100, before: int | None = None) -> tuple[Entry, ...]:
        """The newest rows first; only those with a `seq` below `before` when it is given."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.seq < before)
        with self._db.read() as connection:
            return tuple(record(Entry, row) for row in connection.execute(query))

    def head(self) -> Head:
        """The last row written, as noted beside the log."""
        with self._db.read() as connection:
            return _head(connection) or Head()

    def verify(self) -> tuple[Finding, ...]:
        """Every row that is not as it was written, or is not there; empty when the log is whole.

        Reads all of the log, a page at a time, as of one moment.
        """
        with self._db.read() as connection:
            findings = _Check()
            for entry in _entries(connection):
                findings.see(entry)
            findings.end(_head(connection))
        return tuple(findings.found)


class _Check:
    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._last = Head()
        self._sound = True

    def see(self, entry: Entry) -> None:
        if entry.seq != self._last.seq + 1:
            self._missing(self._last.seq + 1, entry.seq - 1)
        content = (entry.seq, entry.at, entry.actor, entry.action, entry.subject, entry.detail)
        sound = _digest(entry.previous, *content) == entry.digest
        if not sound:
            self._report(entry.seq, "was changed after it was written")
        elif self._sound and entry.seq == self._last.seq + 1 and entry.previous != self._last.digest:
            # Both rows agree with themselves, so the earlier one was forged with a digest to match.
            self._report(max(self._last.seq, 1), "is not the row that the next one was written after")
        self._last, self._sound = Head(entry.seq, entry.digest), sound

    def end(self, head: Head | None) -> None:
        last = self._last
        if head is None:
            if last.seq:
                self._report(last.seq, "is the last one, and the note of where the log ends is gone")
        elif head.seq > last.seq:
            self._missing(last.seq + 1, head.seq)
        elif head.seq < last.seq:
            self._report(head.seq + 1, "was added past the end of the log")
        elif self._sound and head.digest != last.digest:
            self._report(max(last.seq, 1), "is not the row that was written last")

    def _missing(self, first: int, last: int) -> None:
        rest = "is missing" if first == last else f"and all up to {last} are missing"
        self._report(first, rest)

    def _report(self, seq: int, what: str) -> None:
        self.found.append(Finding(seq, f"row {seq} {what}"))


def _digest(previous: str, seq: int, at: int, actor: str, action: str, subject: str, detail: str) -> str:
    content = msgspec.json.encode([previous, seq, at, actor, action, subject, detail])
    return hashlib.sha256(content).hexdigest()


def _head(connection: Connection) -> Head | None:
    value = connection.scalar(select(progress.c.value).where(progress.c.name == HEAD))
    try:
        return None if value is None else msgspec.convert(value, Head)
    except msgspec.ValidationError:
        return None  # as good as gone


def _last(connection: Connection) -> Head:
    row = connection.execute(select(audit.c.seq, audit.c.digest).order_by(audit.c.seq.desc()).limit(1)).first()
    return Head() if row is None else Head(*row)


def _entries(connection: Connection) -> Iterator[Entry]:
    after = -(1 << 62)
    while True:
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(_PAGE)
        rows = connection.execute(query).all()
        yield from (Entry(*row) for row in rows)  # unchecked: a value of a wrong type is to be found, not to stop us
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq
