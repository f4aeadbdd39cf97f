"""Gathers the records of one turn of the event loop into one append to the journal, and one wait for the disk."""

from __future__ import annotations

import logging
from asyncio import get_running_loop
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tropism.core.errors import NotReady, TropismError
from tropism.core.events import encode

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Sequence

    from tropism.core.events import Event, Predictions
    from tropism.serving.meters import Meters

    Done = Callable[[TropismError | None], None]


_log = logging.getLogger(__name__)


class Journal(Protocol):
    """The writing side of a journal."""

    @property
    def name(self) -> str: ...

    def append(self, payloads: Sequence[bytes]) -> int:
        """Appends all records or none; the sequence number of the last. Raises `DiskFull`."""
        ...

    def flushing(self, seq: int) -> Future[None] | None:
        """Done when record `seq` survives what the journal's settings promise; None when it does already."""
        ...


class Recorder:
    """Records what requests must not be answered without. For one event loop."""

    def __init__(self, journal: Journal, meters: Meters) -> None:
        self._journal = journal
        self._meters = meters
        self._events: list[Event | Predictions] = []
        self._waiting: list[Done] = []
        self._flushes = 0
        self.flushed: Callable[[], None] = _nothing
        """Called after each flush, once everybody who waited for it has heard."""

    @property
    def flushing(self) -> bool:
        """Whether a flush is under way or due. What is added now waits for the next one."""
        return self._flushes > 0

    def add(self, events: Sequence[Event | Predictions], done: Done) -> None:
        """Takes events. `done` is called with None once they are durable, or with why they never will be."""
        if not self._waiting:
            get_running_loop().call_soon(self.append)
        self._events += events
        self._waiting.append(done)

    def append(self) -> None:
        """Appends what was added in this turn, as one record."""
        events, waiting = self._events, self._waiting
        if not waiting:
            return
        self._events, self._waiting = [], []
        try:
            seq = self._journal.append([encode(events)])
            flushing = self._journal.flushing(seq)
        except TropismError as error:
            self._settle(waiting, error)
            return
        except Exception:  # noqa: BLE001  nobody may wait for ever because of a fault of ours
            _log.error("the journal failed", exc_info=True)
            self._settle(waiting, TropismError("the journal failed"))
            return
        self._meters.journaled = max(self._meters.journaled, seq)
        if flushing is None:
            self._settle(waiting, None)
        else:
            self._flushes += 1
            flushing.add_done_callback(partial(self._flushed, waiting))

    async def record(self, events: Sequence[Event]) -> None:
        """Returns once events are durable.

        Raises:
            DiskFull, NotReady: they are not, and must not be acknowledged.
        """
        future: Future[None] = get_running_loop().create_future()

        def done(error: TropismError | None) -> None:
            if not future.done():  # else its request was cancelled
                _settle_future(future, error)

        self.add(events, done)
        await future

    def _flushed(self, waiting: list[Done], flushing: Future[None]) -> None:
        self._flushes -= 1
        error = NotReady("the journal was closed") if flushing.cancelled() else flushing.exception()
        unknown = error is not None and not isinstance(error, TropismError)
        self._settle(waiting, TropismError(f"the journal failed: {error}") if unknown else error)  # type: ignore[arg-type]
        self.flushed()

    def _settle(self, waiting: list[Done], error: TropismError | None) -> None:
        self._meters.journal_problem = "" if error is None else error.message
        for done in waiting:
            try:
                done(error)
            except Exception:  # noqa: BLE001  the others must hear of it too
                _log.error("a request could not be answered", exc_info=True)


def _nothing() -> None:
    """Nobody wants to know."""


def _settle_future(future: Future[None], error: TropismError | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(type(error)(error.message, *error.faults))
