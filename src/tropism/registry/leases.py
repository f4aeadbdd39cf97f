"""Leases: one holder at a time for a name, until it lets go or stops renewing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tropism.registry.records import record
from tropism.storage.tables.schema import leases
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from tropism.storage.tables import Database


class Lease(msgspec.Struct, frozen=True):
    name: str
    holder: str
    token: int
    expires_at: int


class Leases:
    """Grants leases. The token of a name grows with each new holder: whatever is written under a lease can
    carry it, and refuse a smaller one than it has seen, from a holder that woke up late.

    `holder` must be unique to a process, as one that asks again for what it holds is given it. Times of all
    askers come from clocks that agree to well within the `ttl` (µs).
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def acquire(self, name: str, holder: str, ttl: int, now: int) -> int | None:
        """The token when the name is free, has expired, or is held by `holder` already; None when another holds it."""
        with self._db.begin() as connection:
            fresh = {"name": name, "holder": holder, "token": 1, "expires_at": now + ttl}
            if insert_once(connection, leases, fresh):
                return 1
            mine = (leases.c.name == name) & (leases.c.holder == holder) & (leases.c.expires_at > now)
            if connection.execute(leases.update().where(mine).values(expires_at=now + ttl)).rowcount == 0:
                free = (leases.c.name == name) & (leases.c.expires_at <= now)
                values = {"holder": holder, "token": leases.c.token + 1, "expires_at": now + ttl}
                if connection.execute(leases.update().where(free).values(**values)).rowcount == 0:
                    return None
            return connection.scalar(select(leases.c.token).where(leases.c.name == name))

    def renew(self, name: str, token: int, ttl: int, now: int) -> bool:
        """Holds on for `ttl` more; False when it was lost to another, and work under it must stop."""
        return self._set(name, token, now + ttl)

    def release(self, name: str, token: int) -> bool:
        """Lets go; False when it was lost before."""
        return self._set(name, token, 0)

    def get(self, name: str) -> Lease | None:
        """The last lease of a name, expired or not; None when there was never one."""
        with self._db.read() as connection:
            row = connection.execute(select(leases).where(leases.c.name == name)).first()
        return None if row is None else record(Lease, row)

    def _set(self, name: str, token: int, expires_at: int) -> bool:
        with self._db.begin() as connection:
            mine = (leases.c.name == name) & (leases.c.token == token)
            return connection.execute(leases.update().where(mine).values(expires_at=expires_at)).rowcount == 1
