"""Reads from a feature store on another machine: it may hang or be away, and requests must not suffer for long."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from tropism.core.errors import Fault, NotReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.errors import TropismError

_log = logging.getLogger(__name__)
Found = TypeVar("Found")
_THREADS = 16
_PATIENCE, _PER_ROW = 1.0, 0.001
"""Seconds that a request waits, and how many more for each of its rows."""
_QUIET = 60.0
"""Seconds between two lines of the log about the same trouble."""


class RemoteReads:
    """Reads in threads of its own. While one that took too long has not ended no other begins: requests are told at
    once, and threads do not pile up. Safe to use from several event loops."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        """`patience`: seconds that a read may take, besides a millisecond for each row."""
        self._patience = patience
        self._stuck: Future[Any] | None = None

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="features")

    async def read(self, read: Callable[[], Found], rows: int) -> Found:
        """What `read` gives.

        Raises:
            NotReady: it takes too long, or one before it has not ended yet.
            What `read` raises.
        """
        if self._stuck is not None and not self._stuck.done():
            raise _late()
        future = self._threads.submit(read)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._patience + rows * _PER_ROW)
        except TimeoutError as error:
            if not future.cancelled():  # one that was still waiting for a thread is given up, and says nothing
                self._stuck = future
            raise _late() from error


class Troubles:
    """Says in the log that the features of a task cannot be read: when it begins, once a minute, and when it is over,
    rather than at every request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._said: dict[str, float] = {}

    def failed(self, task: str, error: TropismError) -> None:
        now = self._clock()
        if now >= self._said.get(task, now) + (_QUIET if task in self._said else 0):
            self._said[task] = now
            _log.error("the features of '%s' cannot be read: %s", task, error)

    def went(self, task: str) -> None:
        if self._said and self._said.pop(task, None) is not None:
            _log.warning("the features of '%s' can be read again", task)


def _late() -> NotReady:
    fix = "check that its server runs, is reachable and not overloaded"
    return NotReady("the store of features does not answer in time", Fault("features.online", "", fix))
