"""The counts of all workers of a machine: each writes its own into a file that the others read.

So whichever worker is asked tells what all of them did, and what a worker counted outlives it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tropism.serving.meters import Meters
from tropism.serving.resources import resources

if TYPE_CHECKING:
    from pathlib import Path

_EVERY = 1.0
"""Seconds between two looks at whether there is something to write."""
SUPERVISOR = "supervisor"
"""Stands in for the number in the name of the file in which restarts are counted."""
_FRESH = 300.0
"""Seconds after which nobody vouches any more for a text that was published."""


class MeterFiles:
    """The file of worker `number` in a folder, and those of the others. Its methods may be called from any thread.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> mine, theirs = MeterFiles(folder, 0), MeterFiles(folder, 1)
    >>> meters = Meters()
    >>> theirs.follow(meters)
    >>> meters.errors.add("too-large")
    >>> theirs.save()
    >>> [one.errors.values for one in mine.others()]
    [{('too-large',): 1}]
    """

    def __init__(self, folder: Path, number: int | str) -> None:
        """Raises: OSError: the folder cannot be made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.number = number
        self._folder = folder
        self._path = folder / f"meters-{number}.json"
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._meters: Meters | None = None
        self._written = b""

    def follow(self, meters: Meters) -> None:
        """Saves these from now on. They go on from what the file holds: a worker that is started again counts on."""
        before = _read(self._path)
        if before is not None:
            _rest(before)
            meters.take_over([before])
        self._meters = meters

    def others(self) -> list[Meters]:
        """What the other workers counted, as of a second ago or less. Leaves out a file that is damaged."""
        paths = sorted(path for path in self._folder.glob("meters-*.json") if path != self._path)
        return [meters for path in paths if (meters := _read(path)) is not None]

    def exchange(self) -> list[Meters]:
        """`others`, after writing down this worker's own: what was told once is never told less of, whoever dies."""
        if self._meters is not None:
            self._meters.used(resources())
        self.save()
        return self.others()

    def save(self) -> None:
        """Writes the meters down if they changed. A full disk costs the counts of a crash, so it is no error."""
        with self._lock:
            data = b"" if self._meters is None else self._meters.to_bytes()
            if data == self._written:
                return
            partial = self._path.with_suffix(".partial")
            try:
                partial.write_bytes(data)
                partial.replace(self._path)
            except OSError:
                return
            self._written = data

    def start(self) -> None:
        """Starts a thread that saves every second."""
        self._thread = threading.Thread(target=self._run, name="meters", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Saves for the last time."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if self._meters is not None:
            _rest(self._meters)
        self.save()

    def _run(self) -> None:
        while not self._ending.wait(_EVERY):
            self.save()


def clear(folder: Path) -> None:
    """Forgets what was counted: a project that is brought up anew counts from nothing."""
    for path in folder.glob("meters-*"):
        path.unlink(missing_ok=True)


def publish(folder: Path, name: str, text: str) -> None:
    """Lets every data plane tell further metrics, such as `worker`'s, until they are replaced or five minutes old.

    `text`: lines as `core.exposition.family` makes them. What cannot be written is left out, without an error.
    """
    path = folder / f"metrics-{name}.prom"
    partial = path.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        return


def published(folder: Path) -> list[str]:
    """What others let be told, in order of their names.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> publish(folder, "worker", "up 1")
    >>> published(folder)
    ['up 1']
    """
    texts = []
    for path in sorted(folder.glob("metrics-*.prom")):
        try:
            if path.stat().st_mtime > time.time() - _FRESH:
                texts.append(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return texts


def _rest(meters: Meters) -> None:
    """Nothing goes on any more."""
    meters.in_flight, meters.connections, meters.journal_problem = 0, 0, ""
    meters.memory_bytes, meters.gpus = None, ()


def _read(path: Path) -> Meters | None:
    try:
        return Meters.from_bytes(path.read_bytes())
    except (OSError, ValueError):
        return None
