"""An operating system's refusal, as the error that says what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from tropism.core.errors import DiskFull, Fault, NotReady, NotWritable, TropismError

if TYPE_CHECKING:
    from pathlib import Path

# EFBIG is how a file-size limit (ulimit -f) says that no more fits.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


def refusal(error: OSError, path: Path) -> TropismError:
    """The error to raise when the journal in `path` cannot be written."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return disk_full(path, reason)
    if error.errno in _DENIED:
        fix = "make the folder writable by this user, or set `state` to another folder"
        return NotWritable(f"the journal's folder cannot be written: {reason}", Fault("journal", str(path), fix))
    fix = "check the disk, then restart the process"
    return NotReady(f"the journal cannot be written: {reason}", Fault("journal", str(path), fix))


def disk_full(path: Path, reason: str) -> DiskFull:
    fix = "free space on the disk of this folder; appends are taken again as soon as there is room"
    return DiskFull(f"no room for the journal: {reason}", Fault("journal", str(path), fix))
