"""Turns what `deltalake` and `pyarrow` raise into errors that say what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import DeltaError, TableNotFoundError

from tropism.core.errors import DataInvalid, DiskFull, Fault, IntegrityError, NotWritable, TropismError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = ("No space left on device", "os error 28)", "os error 122)", "Disk quota exceeded")
_REFUSED = ("Permission denied", "Read-only file system", "os error 13)", "os error 30)")


@contextmanager
def plainly(name: str, folder: Path) -> Iterator[None]:
    """Within it, errors of the disk and of the table's files are raised as ours.

    The libraries tell them apart only in their messages, and raise some as plain `Exception`.
    """
    try:
        yield
    except TropismError:
        raise
    except Exception as error:
        known = _known(error, name, folder)
        if known is None:
            raise
        raise known from error


def _known(error: Exception, name: str, folder: Path) -> TropismError | None:
    text = str(error)
    if any(sign in text for sign in _FULL):
        fix = "free some space; what was not written can be written again"
        return DiskFull(f"the disk under {folder} is full", Fault("lake", str(folder), fix))
    if isinstance(error, PermissionError) or any(sign in text for sign in _REFUSED):
        fix = "allow this user to write the folder, or choose another one"
        return NotWritable(f"{folder} is not writable", Fault("lake", str(folder), fix))
    if "Duplicate field name" in text:
        fix = "give them names that differ in more than upper and lower case"
        reason = text.strip().partition("\n")[0].rpartition(": ")[2]
        return DataInvalid(f"two columns of '{name}' have one name", Fault("column", reason, fix))
    if isinstance(error, DeltaError | TableNotFoundError | FileNotFoundError | pa.ArrowInvalid | OSError):
        fix = "restore the table's folder from a backup"
        reason = text.strip().partition("\n")[0]
        return IntegrityError(f"the table '{name}' cannot be read: {reason}", Fault("lake", str(folder), fix))
    return None
