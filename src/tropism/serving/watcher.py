"""Follows the registry: a thread that looks for a new generation and swaps the snapshot."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tropism.core.courtesy import giving_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.serving.snapshot import Snapshot, SnapshotHolder

_log = logging.getLogger(__name__)
_LONGEST_WAIT = 300
"""Most looks between two tries to load what could not be loaded."""


class Watcher:
    """Keeps a holder's snapshot in step with the registry.

    Looks at `generation` every `every` seconds; when it changed, calls `load` and swaps the result in, in one
    assignment. A load that fails leaves the old snapshot in place, says why in the holder, and is tried again
    after 1, 2, 4, ... looks; so is one that had to leave a model out. `wake` makes it look at once.
    """

    def __init__(
        self,
        holder: SnapshotHolder,
        generation: Callable[[], int],
        load: Callable[[], Snapshot],
        every: float = 0.2,
    ) -> None:
        self._holder = holder
        self._generation = generation
        self._load = load
        self._every = every
        self._wait = 0
        self._tries = 0
        self._failed: int | None = None
        self._stopping = False
        self._nudged = threading.Event()
        self._thread: threading.Thread | None = None

    def poll(self) -> bool:
        """One look. True if a snapshot was swapped in."""
        try:
            generation = self._generation()
        except Exception as error:  # noqa: BLE001  the registry is away: go on serving what is there
            self._trouble(None, f"the registry cannot be read: {error}")
            return False
        if not self._due(generation):
            return False
        try:
            snapshot = self._load()
        except Exception as error:  # noqa: BLE001  whatever went wrong, go on serving what is there
            self._trouble(generation, f"generation {generation} cannot be loaded: {error}")
            return False
        self._holder.current = snapshot
        self._settle(snapshot)
        return True

    def _due(self, generation: int) -> bool:
        current = self._holder.current
        fresh = current is not None and current.generation == generation
        if fresh and current is not None and not current.incomplete:
            self._holder.problem = ""
            return False
        if self._failed != generation:
            return True
        self._wait -= 1
        return self._wait <= 0

    def _trouble(self, generation: int | None, problem: str) -> None:
        if self._holder.problem != problem:
            _log.error("%s", problem, exc_info=True)
        self._holder.problem = problem
        self._holder.failures += 1
        self._put_off(generation)

    def _settle(self, snapshot: Snapshot) -> None:
        self._holder.problem = ""
        if snapshot.incomplete:
            behind = sorted(name for name, one in snapshot.deployments.items() if one.degraded)
            self._holder.problem = f"a model could not be loaded; degraded: {', '.join(behind) or 'none'}"
            self._holder.failures += 1
            self._put_off(snapshot.generation)
        else:
            self._failed, self._tries = None, 0

    def _put_off(self, generation: int | None) -> None:
        if generation != self._failed:
            self._tries = 0
        self._failed = generation
        self._wait = min(2**self._tries, _LONGEST_WAIT)
        self._tries = min(self._tries + 1, 16)

    def start(self) -> None:
        """Starts the thread. The first look happens at once."""
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of when the time has come. From any thread; returns at once.

        A call in the middle of a look is followed by another look, so no change is missed.
        """
        self._nudged.set()

    def stop(self) -> None:
        """Ends the thread, after the load it may be in."""
        self._stopping = True
        self._nudged.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._nudged.clear()  # before the look: what happens during it is looked at again
            with giving_way():
                self.poll()
            self._nudged.wait(self._every)
