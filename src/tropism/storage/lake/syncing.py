"""Gets a commit onto the disk, and takes back one that a power cut tore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class _Added(msgspec.Struct):
    path: str


class _Action(msgspec.Struct):
    add: _Added | None = None


def sync_commits(folder: Path, after: int, upto: int) -> None:
    """Sync the files of the versions above `after` up to `upto` of the table in `folder`.

    Data first, then the log that names it.
    """
    log = folder / "_delta_log"
    commits = [path for version in range(after + 1, upto + 1) if (path := log / f"{version:020}.json").exists()]
    for commit in commits:
        for line in commit.read_bytes().splitlines():
            if b'"add"' in line and (added := msgspec.json.decode(line, type=_Action).add) is not None:
                _sync(folder / added.path)
    for path in (folder, *commits, log):
        _sync(path)


def drop_torn_commit(folder: Path) -> bool:
    """Set aside the newest commit if it is not whole; whether there was one.

    A commit appears under its name complete, so only a power cut before it was synced leaves half of one. Nobody
    was told of it yet.
    """
    commits = sorted((folder / "_delta_log").glob("*.json"))
    if not commits:
        return False
    try:
        for line in commits[-1].read_bytes().splitlines():
            msgspec.json.decode(line, type=dict)
    except msgspec.DecodeError:
        commits[-1].rename(commits[-1].with_suffix(".torn"))
        return True
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
