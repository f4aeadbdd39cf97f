"""Waits for the disk, once for all who wait: in a thread, or at once where the disk is quick."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from tropism.core.errors import TropismError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_Waiter = tuple["asyncio.AbstractEventLoop", "asyncio.Future[None]"]
_QUICK = 0.0005
"""Seconds of a flush for which it is not worth while to wake a thread, and to be woken by it."""
_WEIGHT = 0.125


class _Order(Enum):
    FLUSH = 1
    STOP = 2


class GroupSync:
    """Calls `flush` while somebody waits. Everybody who was waiting when a flush began is released by it.

    Each event loop is woken once a flush, however many of its tasks wait. `quick`: flushes have lately taken so
    little time that one on the event loop itself delays it less than handing it to the thread; `flush_now` is for that.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        # Not at the top: whoever only reads the journal's settings need not load it.
        from asyncio import get_running_loop

        self._running_loop = get_running_loop
        self._flush = flush
        self._typical = 10 * _QUICK
        self._queue: SimpleQueue[_Waiter | _Order] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def quick(self) -> bool:
        return self._typical <= _QUICK

    def flush_now(self) -> None:
        """Flushes in this thread. Raises what `flush` raises."""
        begun = time.perf_counter()
        self._flush()
        self._typical += _WEIGHT * (time.perf_counter() - begun - self._typical)

    def request(self) -> asyncio.Future[None]:
        """A future that is done after the next flush, or has its error. Called on an event loop."""
        loop = self._running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._queue.put((loop, future))
        return future

    def nudge(self) -> None:
        """Flush soon, though nobody waits."""
        self._queue.put(_Order.FLUSH)

    def close(self) -> None:
        """Serve everybody who asked before, then stop. No request may follow."""
        self._queue.put(_Order.STOP)
        self._thread.join()

    def _run(self) -> None:
        while True:
            asked = [self._queue.get()]
            with suppress(Empty):
                while True:
                    asked.append(self._queue.get_nowait())
            error = self._flushed()
            by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
            for one in asked:
                if isinstance(one, tuple):
                    by_loop.setdefault(one[0], []).append(one[1])
            for loop, futures in by_loop.items():
                with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                    loop.call_soon_threadsafe(_release, futures, error)
            if _Order.STOP in asked:
                return

    def _flushed(self) -> TropismError | None:
        try:
            self.flush_now()
        except TropismError as error:
            return error
        return None


def _release(futures: list[asyncio.Future[None]], error: TropismError | None) -> None:
    for future in futures:
        if future.done():
            continue  # its task was cancelled
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(type(error)(error.message, *error.faults))
