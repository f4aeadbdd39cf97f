"""The folder in which workers find each other's sockets."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from tropism.core.errors import Fault, NotWritable

_LONGEST = 100
"""Bytes of a socket's path. Linux takes 107, macOS 103."""
_NAME = 32


def private(folder: Path) -> Path:
    """The folder, made if need be, that nobody else may enter; one among temporary files if its path is too long.

    Raises:
        NotWritable: it cannot be made, or is another user's.
    """
    if len(os.fsencode(folder.absolute())) + _NAME > _LONGEST:
        digest = hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=8).hexdigest()
        folder = Path(tempfile.gettempdir()) / f"tropism-{os.getuid()}-{digest}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NotWritable("workers cannot find each other", Fault("folder", str(folder), str(error))) from error
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        fix = "remove it, or make it yours alone: chmod 700"
        raise NotWritable("workers cannot find each other safely", Fault("folder", str(folder), fix))
    return folder
