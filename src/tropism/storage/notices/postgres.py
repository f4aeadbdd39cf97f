"""Notices by PostgreSQL's LISTEN and NOTIFY."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, NotReady
from tropism.core.plugins import require
from tropism.storage.notices.base import Notices

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = "tropism_generation"
"""Each notice names the schema that it is about: projects in schemas of one database share the channel."""
NOTIFY = f"SELECT pg_notify('{CHANNEL}', coalesce(current_schema(), ''))"
"""Within a transaction it is sent when the transaction commits, and not at all when it does not."""
_SCHEMA = "SELECT coalesce(current_schema(), '')"
# A server that vanished without a word is found out by these, within about 20 s.
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3}


class PostgresNotices(Notices):
    """Over a connection of its own, for a pool's may not be held. A pooler that lends a connection for one
    transaction only, as PgBouncer does in that mode, cannot listen: name the server itself.

    https://www.postgresql.org/docs/current/sql-notify.html
    """

    def __init__(self, url: str) -> None:
        """`url`: `postgresql://user@host/database`, as in `tables.url`.

        Raises:
            MissingExtra: the package `psycopg` is not installed.
        """
        self._psycopg = require("psycopg", "postgres")
        self._url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
        self._shown = re.sub(r"//[^@/]*@", "//", self._url).partition("?")[0]
        self._listening: Any = None
        self._schema = ""

    def listen(self) -> None:
        self.close()
        with self._translated():
            connection = self._connect()
            try:
                self._schema = connection.execute(_SCHEMA).fetchone()[0]
                connection.execute(f"LISTEN {CHANNEL}")
            except BaseException:
                connection.close()
                raise
        self._listening = connection

    def heard(self, seconds: float) -> bool:
        if self._listening is None:
            self.listen()
        with self._translated():
            came = [one.payload for one in self._listening.notifies(timeout=seconds, stop_after=1)]
        return self._schema in came

    def publish(self) -> None:
        with self._translated(), self._connect() as connection:
            connection.execute(NOTIFY)

    def close(self) -> None:
        connection, self._listening = self._listening, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Any:
        return self._psycopg.connect(self._url, autocommit=True, connect_timeout=5, **_KEEPALIVE)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            text = str(error).strip().partition("\n")[0]
            fault = Fault("notices.url", self._shown, "start the server, or mend the URL")
            raise NotReady(f"no notices from PostgreSQL: {text}", fault) from error
