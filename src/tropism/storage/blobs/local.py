"""Writes a file to a local disk so that it is whole or not there, also after a power cut."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ABANDONED = 3_600.0
"""Seconds after which a temporary file that nothing was written to belongs to a process that is no more."""


def write_whole(path: Path, temporary: Path, data: bytes) -> None:
    """Write `data` to `temporary`, make it durable, and move it to `path` on the same disk.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            move_whole(file, temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move_whole(file: IO[bytes], temporary: Path, path: Path) -> None:
    """Make what was written to the open file `temporary` durable, and move it to `path` on the same disk.

    Raises:
        OSError: it could not be; `temporary` may still be there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file.flush()
    os.fsync(file.fileno())
    temporary.replace(path)
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def open_new(temporary: Path) -> IO[bytes]:
    """A new file to write to. What processes that were killed left beside it is removed.

    Raises:
        OSError: it cannot be made.
    """
    temporary.parent.mkdir(parents=True, exist_ok=True)
    file = temporary.open("xb")
    now = os.fstat(file.fileno()).st_mtime
    with suppress(OSError):
        for other in temporary.parent.iterdir():
            with suppress(FileNotFoundError):
                if now - other.stat().st_mtime > _ABANDONED:
                    other.unlink()
    return file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
