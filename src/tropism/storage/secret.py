"""A project's secret: random bytes in a file that only its owner may read."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, NotWritable, SettingInvalid

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 32
"""Bytes."""


def project_secret(path: Path) -> bytes:
    """The secret in a file, made the first time; processes that ask at once get the same one.

    Raises:
        NotWritable: the file cannot be made or read.
        SettingInvalid: it holds something else.
    """
    try:
        if not path.exists():
            _make(path)
        found = path.read_bytes()
    except OSError as error:
        fault = Fault(str(path), error.strerror or "", "let the user that runs Tropism read and write it")
        raise NotWritable("the project's secret cannot be read", fault) from error
    if len(found) != SIZE:
        fix = f"restore it from a backup; hashes made with another one match no more. It has {SIZE} bytes"
        raise SettingInvalid("the project's secret was changed", Fault(str(path), f"{len(found)} bytes", fix))
    return found


def _make(path: Path) -> None:
    """Written whole under another name first: nobody reads half of it, and whoever links first wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(SIZE))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
