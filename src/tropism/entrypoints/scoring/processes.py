"""Scores parts in processes of this machine, one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from tropism.core.errors import Fault, NotReady, TropismError
from tropism.entrypoints.scoring.frames import receive, send
from tropism.entrypoints.scoring.parts import Part, ScoredPart
from tropism.entrypoints.scoring.worker import Order, Ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tropism.entrypoints.scoring.plan import Plan

_AHEAD = 2
"""Parts that are with each process: the one that it scores, and the next."""
_LOG_READ, _LOG_SHOWN = 4_096, 200


class Processes:
    """Calls itself with parts and gives back what became of them, in the order in which they are done.

    `log`: a file for what the processes print.
    """

    def __init__(self, plan: Plan, blobs_url: str, count: int, log: Path) -> None:
        self._order = Order(plan, blobs_url)
        self._count = count
        self._log = log

    def __call__(self, parts: Iterable[Part]) -> Iterator[ScoredPart]:
        """Raises what a process could not begin with, and `NotReady` when one died."""
        done: SimpleQueue[ScoredPart | TropismError] = SimpleQueue()
        with self._log.open("wb") as log:
            team = [_Worker(self._order, log, done) for _ in range(self._count)]
            try:
                yield from _keep_busy(parts, team, done)
            finally:
                for one in team:
                    one.kill()


def _keep_busy(
    parts: Iterable[Part], team: list[_Worker], done: SimpleQueue[ScoredPart | TropismError]
) -> Iterator[ScoredPart]:
    waiting = 0
    for part in parts:
        min(team, key=lambda one: one.load).give(part)
        waiting += 1
        while waiting >= _AHEAD * len(team) or (waiting and not done.empty()):
            yield _taken(done)
            waiting -= 1
    for one in team:
        one.end()
    for _ in range(waiting):
        yield _taken(done)


def _taken(done: SimpleQueue[ScoredPart | TropismError]) -> ScoredPart:
    found = done.get()
    if isinstance(found, TropismError):
        raise found
    return found


class _Worker:
    """One process, and the thread that talks with it. `load`: parts that it has and has not answered."""

    def __init__(self, order: Order, log: IO[bytes], done: SimpleQueue[ScoredPart | TropismError]) -> None:
        self.load = 0
        self._order = order
        self._done = done
        self._log = log
        self._todo: SimpleQueue[Part | None] = SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tropism.entrypoints.scoring.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
        )
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def give(self, part: Part) -> None:
        self.load += 1
        self._todo.put(part)

    def end(self) -> None:
        """No more parts will come."""
        self._todo.put(None)

    def kill(self) -> None:
        self.end()
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _talk(self) -> None:
        sink, source = self._process.stdin, self._process.stdout
        assert sink is not None and source is not None
        part: Part | None = None
        try:
            send(sink, self._order)
            ready = receive(source, Ready)
            if ready is None:
                raise BrokenPipeError
            if ready.problem is not None:
                self._done.put(ready.problem.error())
                return
            while (part := self._todo.get()) is not None:
                send(sink, part)
                scored = receive(source, ScoredPart)
                self.load -= 1
                self._done.put(self._died(part) if scored is None else scored)
        except OSError:
            self._done.put(self._died(part))

    def _died(self, part: Part | None) -> NotReady:
        status = self._process.wait()
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        where = "it began" if part is None else f"it scored rows {part.first} to {part.last}"
        with open(self._log.name, "rb") as log:  # noqa: PTH123  its name is all that is known here
            lines = log.read()[-_LOG_READ:].decode("utf-8", "replace").strip().splitlines()
        fix = "is there memory enough? Use fewer --workers; the same command goes on where this one stopped"
        return NotReady(
            f"a scoring process ended with {ended} while {where}",
            Fault("workers", lines[-1][:_LOG_SHOWN] if lines else "", fix),
        )
