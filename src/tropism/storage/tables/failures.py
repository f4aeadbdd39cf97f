"""Turns what the database drivers raise into errors that say what to do."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, TimeoutError  # noqa: A004

from tropism.core.errors import DiskFull, Fault, IntegrityError, NotReady, NotWritable, SettingInvalid, TropismError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LITTLE = 1 << 20
"""Bytes free under which a failed write is put down to a full disk."""


@contextmanager
def plainly(place: str) -> Iterator[None]:
    """Within it, a driver's error is raised as ours where there is one that fits; others pass unchanged."""
    try:
        yield
    except DBAPIError as error:
        if error.orig is None:
            raise
        known = _sqlite(error.orig, place) if isinstance(error.orig, sqlite3.Error) else _postgres(error.orig, place)
        if known is None:
            raise
        raise known from error
    except TimeoutError as error:
        fix = "raise tables.connections, or hold transactions for less time"
        raise NotReady(f"all connections to {place} are busy", Fault("tables.connections", "", fix)) from error


def _sqlite(error: BaseException, place: str) -> TropismError | None:
    file = Path(make_url(place).database or "")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(file)):
        fix = "free some space and try again; nothing was changed"
        return DiskFull(f"the disk under {file} is full", Fault("folder", str(file.parent), fix))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        fix = "allow this user to write the file and its folder, or choose another place"
        return NotWritable(f"{file} is not writable: {error}", Fault("file", str(file), fix))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        fix = "try again; if it stays so, look for a process that hangs in a transaction"
        return NotReady(f"{file} is held by another change for too long", Fault("tables.wait", "", fix))
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        fix = "restore it from a backup, or name another file"
        return IntegrityError(f"{file} is not a sound SQLite file: {error}", Fault("tables.url", place, fix))
    if code == sqlite3.SQLITE_IOERR:
        return NotReady(f"the disk under {file} fails: {error}", Fault("file", str(file), "look at the system's log"))
    return None


def _no_room(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.absolute().parent).free < _LITTLE
    except OSError as error:
        return error.errno == errno.ENOSPC


def _postgres(error: BaseException, place: str) -> TropismError | None:
    state = getattr(error, "sqlstate", None)
    text = str(error).strip().partition("\n")[0]
    if state is None or state[:2] in ("08", "57"):
        if type(error).__name__ != "OperationalError" and state is None:
            return None
        return NotReady(f"{place} does not answer: {text}", Fault("tables.url", place, "start it, or mend the URL"))
    if state in ("53100", "53200"):
        return DiskFull(f"the server of {place} is out of room: {text}", Fault("tables.url", place, "free some space"))
    if state in ("55P03", "40P01", "40001", "53300"):
        return NotReady(f"{place} is held by another change: {text}", Fault("tables.wait", "", "try again"))
    if state in ("25006", "42501"):
        fix = "grant this user the right to write, or use the primary server"
        return NotWritable(f"{place} is not writable: {text}", Fault("tables.url", place, fix))
    if state[:2] in ("28", "3D", "3F"):
        return SettingInvalid(f"{place} cannot be used: {text}", Fault("tables.url", place, "mend the URL"))
    return None
