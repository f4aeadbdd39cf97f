"""Moments at which events of streams are taken in: each is later than all before, whichever process takes them in."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tropism.core.errors import DiskFull, Fault, NotWritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAMPS = "streams.lock"
"""The file's name in the state folder."""
_LAST = struct.Struct("<q")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Stamps:
    """The last moment that was given out, in a small file that is locked while rows are appended under a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def taken(self, now: int, count: int = 1) -> Iterator[int]:
        """The first of `count` moments (µs) in a row, `now` or later. Rows are appended inside of the context: nobody
        else has moments meanwhile, so that who has seen a moment in a table has all that came before it. Another
        process waits, and so does another context of this one.

        Raises:
            DiskFull, NotWritable: the file cannot be written.

        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stamps = Stamps(pathlib.Path(folder) / STAMPS)
        ...     with stamps.taken(100, 3) as first:
        ...         pass
        ...     with stamps.taken(100) as second:
        ...         pass
        >>> first, second
        (100, 103)
        """
        descriptor = self._opened()
        try:
            first = self._next(descriptor, now, count)
            yield first
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._refused(error) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def _next(self, descriptor: int, now: int, count: int) -> int:
        written = os.pread(descriptor, _LAST.size, 0)
        last = _LAST.unpack(written)[0] if len(written) == _LAST.size else 0
        first: int = max(now, last + 1)
        try:
            os.pwrite(descriptor, _LAST.pack(first + count - 1), 0)
        except OSError as error:
            raise self._refused(error) from error
        return first

    def _refused(self, error: OSError) -> DiskFull | NotWritable:
        if error.errno in _FULL:
            fault = Fault("streams", str(self._path), "free some space, then do it again")
            return DiskFull("the disk of the state folder is full", fault)
        fault = Fault("streams", str(self._path), "make the file and its folder writable by this user")
        return NotWritable(f"the moment of taking events in cannot be noted: {error.strerror}", fault)
