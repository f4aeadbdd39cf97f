"""Progress: small cursors that must survive a restart, such as how far the journal was ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tropism.core.errors import Fault, InvalidInput
from tropism.storage.tables.schema import progress
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from tropism.storage.tables import Database

_RESERVED = "registry/"


class Progress:
    """JSON values by name. Names that begin with `registry/` are the registry's own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> Any:
        """The value, or None when none was set."""
        with self._db.read() as connection:
            return connection.scalar(select(progress.c.value).where(progress.c.name == name))

    def set(self, name: str, value: Any, *, now: int) -> None:
        """Sets the value, any that JSON can hold but null.

        Raises:
            InvalidInput: the name is reserved, or the value is None.
        """
        if name.startswith(_RESERVED):
            raise InvalidInput("this name is the registry's own", Fault("name", repr(name), "use another prefix"))
        if value is None:
            raise InvalidInput("there is no value to set", Fault("value", "None", "give a number, text, list or dict"))
        with self._db.begin() as connection:
            upsert(connection, progress, {"name": name, "value": value, "updated_at": now})

    def all(self, prefix: str = "") -> dict[str, Any]:
        """Every value whose name begins with `prefix`, by name."""
        query = select(progress.c.name, progress.c.value).order_by(progress.c.name)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return {row.name: row.value for row in rows if row.name.startswith(prefix)}
