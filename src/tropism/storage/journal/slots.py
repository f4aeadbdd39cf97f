"""Slots: one folder for each writer process, held by a lock that the kernel lets go when the process ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, NotWritable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_LOCK = "lock"
_MOST = 4_096


def slot_names(root: Path) -> list[str]:
    """Slots in `root`, in order: w0, w1, ..."""
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    return sorted((name for name in names if name[:1] == "w" and name[1:].isdecimal()), key=lambda name: int(name[1:]))


def take_slot(root: Path, avoid: Collection[str] = ()) -> tuple[Path, int]:
    """The first free slot's folder, and the descriptor that holds it until it is closed. `avoid`: names not to take.

    Raises:
        OSError: the folder cannot be written.
        NotWritable: every slot is held.
    """
    for number in range(_MOST):
        folder = root / f"w{number}"
        if folder.name in avoid:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        except OSError:
            os.close(descriptor)
            raise
        return folder, descriptor
    raise NotWritable(
        f"all {_MOST} slots of the journal are held", Fault("journal", str(root), "stop writers that are not needed")
    )
