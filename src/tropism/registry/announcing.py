"""Tells others that the generation moved, over a server that is not the tables' own."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tropism.core.errors import TropismError
from tropism.registry import generation
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from tropism.storage.tables import TablesSettings

_log = logging.getLogger(__name__)


class AnnouncingDatabase(Database):
    """A database that calls `publish` after each committed transaction that moved the generation.

    PostgreSQL sends its own notices with the commit and needs none of this. A notice that cannot be sent is
    logged and given up: the change is made, and data planes find it at their next look.
    """

    def __init__(self, url: str, settings: TablesSettings | None, publish: Callable[[], None]) -> None:
        super().__init__(url, settings)
        self._publish = publish

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """See `Database.exclusive`."""
        with super().exclusive() as connection:
            information = connection.info  # kept by the pool: an earlier transaction may have left word
            information.pop(generation.MOVED, None)
            yield connection
            moved = information.pop(generation.MOVED, False)
        if moved:
            try:
                self._publish()
            except TropismError as error:
                _log.warning("%s; data planes see the change at their next look", error.message)
