"""Hears that the registry changed, and wakes the watcher: a swap need not wait for the next look."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tropism.core.errors import TropismError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.storage.notices import Notices

_log = logging.getLogger(__name__)
_MOMENT = 0.5
"""Seconds of one wait: how long `stop` may take."""
_BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between two tries to connect again; the last one stays."""


class Listener:
    """A thread that calls `wake` for every notice, and once when it has connected, as what happened before that
    went unheard. While the server is away it tries again, further and further apart, and says so once: the
    watcher looks by itself all the same.
    """

    def __init__(
        self, notices: Notices, wake: Callable[[], None], backoff: tuple[float, ...] = _BACKOFF, moment: float = _MOMENT
    ) -> None:
        self._notices = notices
        self._wake = wake
        self._backoff = backoff
        self._moment = moment
        self._tries = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem = ""
        """Why no notices are heard now; empty when all is well."""

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and lets go of the connection."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._notices.listen()
                self._wake()
                self._hear()
            except TropismError as error:
                self._trouble(error.message)
            except Exception as error:  # noqa: BLE001  the watcher goes on without notices, but this thread must not end
                self._trouble(f"{type(error).__name__}: {error}")
            self._stopping.wait(self._backoff[min(self._tries, len(self._backoff) - 1)])
            self._tries += 1
        self._notices.close()

    def _hear(self) -> None:
        while not self._stopping.is_set():
            came = self._notices.heard(self._moment)
            self._settle()  # only now: a server that drops each connection at once is not well
            if came:
                self._wake()

    def _settle(self) -> None:
        if self.problem:
            _log.info("notices are heard again")
        self.problem, self._tries = "", 0

    def _trouble(self, problem: str) -> None:
        if not self.problem:
            _log.warning("%s; looking for changes now and then until it is back", problem)
        self.problem = problem
