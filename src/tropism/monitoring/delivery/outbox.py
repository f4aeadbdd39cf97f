"""The table of notices on their way out: who may send one now, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from tropism.core.clock import SECOND
from tropism.monitoring.delivery.base import Notice
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from tropism.storage.tables import Database

NEVER = 1 << 62
"""`next_at` of what was delivered or given up: out of the way of the look for what is due."""
FARTHEST = 7_200 * SECOND
"""µs, more than anything is put off at a time."""
_COLUMNS = [notices_out.c[name] for name in Notice.__struct_fields__]
_SENT = notices_out.alias("sent")
_WAITING = notices_out.c.delivered_at.is_(None) & notices_out.c.given_up_at.is_(None)
_MAY_GO = (notices_out.c.event != "resolved") | ~exists().where(
    _SENT.c.alert_id == notices_out.c.alert_id,
    _SENT.c.channel == notices_out.c.channel,
    _SENT.c.event == "fired",
    _SENT.c.next_at < NEVER,
    _SENT.c.delivered_at.is_(None) & _SENT.c.given_up_at.is_(None),
)
"""A `resolved` waits until its `fired` was delivered or given up."""


class Outbox:
    """Notices that wait. Any number of processes may use one table at once.

    `lease`: µs for which a claimed notice is nobody else's. It must be longer than sending one may take; when the
    sender dies, the notice is due again after it.
    """

    def __init__(self, database: Database, lease: int) -> None:
        self._database = database
        self._lease = lease

    def channels(self, now: int) -> list[str]:
        """Channels that have a notice due, in the order of their names."""
        found = select(notices_out.c.channel).distinct().where(_WAITING, self._due(now))
        with self._database.read() as connection:
            return sorted(connection.scalars(found))

    def claim(self, channel: str, now: int) -> Notice | None:
        """The next notice of a channel, which is the caller's until the lease ends; None when none is due."""
        order = (notices_out.c.next_at, notices_out.c.created_at, notices_out.c.id)
        mine = notices_out.c.channel == channel
        following = select(*_COLUMNS, notices_out.c.next_at).where(_WAITING, mine, self._due(now), _MAY_GO)
        with self._database.begin() as connection:
            while (row := connection.execute(following.order_by(*order).limit(1)).first()) is not None:
                values = dict(row._mapping)
                as_read = _is(values["id"], values["attempts"]) & (notices_out.c.next_at == values.pop("next_at"))
                values["attempts"] += 1
                claimed = notices_out.update().where(_WAITING, as_read)
                if connection.execute(claimed.values(attempts=values["attempts"], next_at=now + self._lease)).rowcount:
                    return Notice(**values)
        return None

    def delivered(self, notice: Notice, now: int) -> None:
        """It arrived: true whoever has claimed it since."""
        done = notices_out.update().where(notices_out.c.id == notice.id, notices_out.c.delivered_at.is_(None))
        self._write(done, delivered_at=now, given_up_at=None, next_at=NEVER, error="")

    def later(self, notice: Notice, at: int, reason: str) -> None:
        """It is due again at `at`, unless somebody else has claimed it since."""
        self._write(notices_out.update().where(_WAITING, _is(notice.id, notice.attempts)), next_at=at, error=reason)

    def give_up(self, notice: Notice, now: int, reason: str) -> None:
        """It is not tried again, unless somebody else has claimed it since."""
        mine = notices_out.update().where(_WAITING, _is(notice.id, notice.attempts))
        self._write(mine, given_up_at=now, next_at=NEVER, error=reason)

    def give_up_older(self, channel: str, created: int, now: int, reason: str) -> int:
        """Gives up what is due on a channel and was made by the moment `created`; how many."""
        older = and_(notices_out.c.channel == channel, notices_out.c.created_at <= created, self._due(now))
        return self._write(notices_out.update().where(_WAITING, older), given_up_at=now, next_at=NEVER, error=reason)

    def _due(self, now: int) -> ColumnElement[bool]:
        """A time further ahead than any wait was written before the clock went back."""
        ahead = and_(notices_out.c.next_at > now + FARTHEST + self._lease, notices_out.c.next_at < NEVER)
        return or_(notices_out.c.next_at <= now, ahead)

    def _write(self, statement: Any, **values: Any) -> int:
        with self._database.begin() as connection:
            return int(connection.execute(statement.values(**values)).rowcount)


def _is(identifier: str, attempts: int) -> ColumnElement[bool]:
    return and_(notices_out.c.id == identifier, notices_out.c.attempts == attempts)
