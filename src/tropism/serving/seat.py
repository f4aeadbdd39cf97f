"""A worker's number among the workers of a project, held for as long as the process lives."""

from __future__ import annotations

import fcntl
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Seat:
    """The first number, from `wanted` on, that no living process holds. A lock, so it is free when its holder dies.

    Raises:
        OSError: the folder cannot be written.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> first, second = Seat(folder), Seat(folder)
    >>> first.number, second.number
    (0, 1)
    >>> first.close()
    >>> third = Seat(folder)
    >>> third.number
    0
    >>> second.close(), third.close()
    (None, None)
    """

    def __init__(self, folder: Path, wanted: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(wanted):
            lock = (folder / f"seat-{number}").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self.number = number
            self._lock = lock
            return

    def close(self) -> None:
        """Gives the number up."""
        self._lock.close()
