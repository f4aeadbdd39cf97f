"""A file system's refusal, as the error that says what to do."""

from __future__ import annotations

import errno

from tropism.core.errors import DiskFull, Fault, NotReady, NotWritable, TropismError

# EFBIG is how a file-size limit (ulimit -f) says that no more fits.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


def refusal(error: OSError, url: str) -> TropismError:
    """The error to raise when the blobs at `url` cannot be reached or written."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return DiskFull(
            f"no room for an artifact: {reason}", Fault("blobs.url", url, "free space there, then try again")
        )
    if error.errno in _DENIED:
        fix = "give this user the right to write there, or set `blobs.url` to another place"
        return NotWritable(f"artifacts cannot be written: {reason}", Fault("blobs.url", url, fix))
    return NotReady(
        f"artifacts cannot be reached: {reason}", Fault("blobs.url", url, "check the store, then try again")
    )
