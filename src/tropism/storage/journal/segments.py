"""Segment files of a slot: `<first seq>.seg`, each beginning with a header of 32 bytes.

The header holds the first sequence number and the digest of the last record before it, so numbering and chain
go on after older segments were discarded.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

from tropism.storage.journal.framing import DIGEST, digest_of

SUFFIX = ".seg"
GENESIS = bytes(DIGEST)
"""What the first record of a slot is chained to."""
_MAGIC = b"\xf7TJSEG\x00\x01"
_HEADER = struct.Struct("<8sQ8s8s")
HEADER_SIZE = _HEADER.size
# A listing is trusted again once the folder's time stamp is older than any clock tick.
_SETTLED = 2_000_000_000


class Segment(NamedTuple):
    """One segment file; `first` is the sequence number of its first record."""

    first: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.name


def segment_path(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}{SUFFIX}"


def pack_header(first: int, previous: bytes) -> bytes:
    """A segment's header.

    >>> read_header(pack_header(7, b"12345678"), 7)
    b'12345678'
    """
    body = _HEADER.pack(_MAGIC, first, previous, b"")[:-DIGEST]
    return body + digest_of(body)


def read_header(data: bytes, first: int) -> bytes | None:
    """The digest that the segment's first record is chained to; None when the header is not what was written."""
    if len(data) < HEADER_SIZE:
        return None
    magic, stored, previous, check = _HEADER.unpack_from(data)
    intact = magic == _MAGIC and stored == first and digest_of(data[: HEADER_SIZE - DIGEST]) == check
    return bytes(previous) if intact else None


def list_segments(folder: Path) -> list[Segment]:
    """Segments of a slot in order; the last one is the one being written. Empty when there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(Segment(int(stem), folder / f"{stem}{SUFFIX}") for stem in stems if stem.isdecimal())


class Listing:
    """A slot's segments, listed again only when the folder changed: an idle look costs one `stat`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: list[Segment] = []
        self._changed = -1

    def segments(self) -> list[Segment]:
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._changed:
            # Taken before the listing: a change in the same tick as the last one must not be missed.
            settled = changed + _SETTLED < time.time_ns()
            self._segments = list_segments(self._folder)
            self._changed = changed if settled else -1
        return self._segments

    def forget(self) -> None:
        self._changed = -1
