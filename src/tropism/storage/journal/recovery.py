"""Finds where a slot's last writer stopped, and takes back what it did not finish."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tropism.storage.journal.chain import Chain
from tropism.storage.journal.framing import DIGEST, header_changed, scan
from tropism.storage.journal.records import Finding
from tropism.storage.journal.segments import GENESIS, HEADER_SIZE, Segment, list_segments, read_header

if TYPE_CHECKING:
    from pathlib import Path


class Tail(NamedTuple):
    """Where writing goes on: last sequence number and digest, and the segment (None: begin a new one)."""

    seq: int
    digest: bytes
    segment: Segment | None
    size: int
    recovered: Finding | None


def recover(folder: Path) -> Tail:
    """The end of the slot in `folder`, which must be held.

    Only an append that was cut short is removed: it was never acknowledged. A last record whose bytes are all
    there but do not fit its checksum stays, reported and passed over by readers, because it may have been
    acknowledged, and its number must not be given out again.
    """
    segments = list_segments(folder)
    if not segments:
        return Tail(0, GENESIS, None, 0, None)
    last = segments[-1]
    data = last.path.read_bytes()
    previous = read_header(data, last.first)
    tail = _end(folder.name, last, data, previous)
    if previous is None and tail.seq < last.first:
        # Its creation was cut short. Moved aside, not removed: it may hold what somebody wants to look at.
        last.path.replace(last.path.with_suffix(".torn"))
        before = recover(folder)
        # Begun again, not gone back to the one before: a reader may have left that one behind.
        return before._replace(seq=max(before.seq, last.first - 1), segment=None)
    if tail.size < len(data):
        with last.path.open("r+b") as file:
            file.truncate(tail.size)
            os.fsync(file.fileno())
    return tail


def _end(writer: str, segment: Segment, data: bytes, previous: bytes | None) -> Tail:
    chain = Chain(writer, segment.first - 1, previous)
    seq, digest, size = segment.first - 1, previous or GENESIS, HEADER_SIZE
    offset = HEADER_SIZE
    for frame in scan(data, HEADER_SIZE, complete=True):
        chain.follow(frame, segment.name, frame.offset)
        offset = frame.end
        if frame.digest and (frame.remaining == 0 or (frame.problem and frame.end == len(data))):
            seq, digest, size = chain.seq, frame.digest, frame.end
    if header_changed(data[offset:], chain.seq + 1, chain.digest):
        seq, digest, size = chain.seq + 1, data[offset : offset + DIGEST], len(data)
    recovered = None
    if size < len(data):
        problem = f"{len(data) - size} bytes of an append that was cut short were removed"
        recovered = Finding(writer, segment.name, size, seq + 1, problem)
    return Tail(seq, digest, segment, size, recovered)
