"""Work that a thread of its own repeats until the process ends, and then does once more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class Periodic:
    """Calls `work` every so many seconds, one call at a time; what it raises is logged, and it is called again.

    >>> done = []
    >>> periodic = Periodic("counting", 60.0, lambda: done.append("again"), last=lambda: done.append("last"))
    >>> periodic.start()
    >>> periodic.close()
    >>> done
    ['last']
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], None], last: Callable[[], None]) -> None:
        """`name`: of the thread, and in the log. `last`: what is called at the end, when `work` no longer is."""
        self._name = name
        self._seconds = seconds
        self._work = work
        self._last = last
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, with a pause."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the call that is under way, if any, and makes the last one, started or not. Twice is fine."""
        if self._ending.is_set():
            return
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self._last()

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                self._work()
            except Exception:  # noqa: BLE001  predictions are answered all the same
                _log.error("%s failed", self._name, exc_info=True)
