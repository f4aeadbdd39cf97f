"""What serving asks of a journal: that a reply is sent only once its events are durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tropism.core.errors import TropismError
from tropism.core.events import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Event
    from tropism.serving.meters import Meters


class Journal(Protocol):
    """The writing side of a journal."""

    @property
    def name(self) -> str: ...

    def append(self, payloads: Sequence[bytes]) -> int:
        """Appends all records or none; the sequence number of the last. Raises `DiskFull`."""
        ...

    async def durable(self, seq: int) -> None:
        """Returns once the record `seq` survives what the journal's settings promise."""
        ...


async def record(journal: Journal, events: Sequence[Event], meters: Meters) -> None:
    """Appends events in one write and waits until they are durable.

    Raises:
        DiskFull, NotReady: they are not recorded, and must not be acknowledged.
    """
    try:
        seq = journal.append([encode(event) for event in events])
        await journal.durable(seq)
    except TropismError as error:
        meters.journal_problem = error.message
        raise
    meters.journal_problem = ""
    meters.journaled = max(meters.journaled, seq)
