"""Checks every record of a slot: framing, checksum, chain and sequence."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from tropism.storage.journal.chain import Chain
from tropism.storage.journal.framing import UNFRAMED, header_changed, scan, unfinished
from tropism.storage.journal.records import Finding
from tropism.storage.journal.segments import HEADER_SIZE, Segment, list_segments, read_header

if TYPE_CHECKING:
    from pathlib import Path


def verify_slot(folder: Path) -> list[Finding]:
    """What is wrong in a slot. An append that is being written, or was cut short by a kill, is not."""
    findings: list[Finding] = []
    chain: Chain | None = None
    segments = list_segments(folder)
    for segment in segments:
        chain = chain or Chain(folder.name, segment.first - 1, None)
        live = segment is segments[-1]
        found, after = _check(segment, copy(chain), live)
        if found and live:
            # Its writer may have taken bytes back while they were read.
            found, after = _check(segment, copy(chain), live)
        findings += found
        chain = after
    return findings


def _check(segment: Segment, chain: Chain, live: bool) -> tuple[list[Finding], Chain | None]:
    try:
        data = segment.path.read_bytes()
    except FileNotFoundError:
        return [], None  # discarded meanwhile
    findings = [chain.enter(segment), _check_header(segment, chain, data, live)]
    offset = HEADER_SIZE
    for frame in scan(data, HEADER_SIZE, complete=True):
        findings.append(chain.follow(frame, segment.name, frame.offset)[1])
        offset = frame.end
    findings.append(_check_rest(segment, chain, data, offset, live))
    return [one for one in findings if one is not None], chain


def _check_header(segment: Segment, chain: Chain, data: bytes, live: bool) -> Finding | None:
    if live and len(data) < HEADER_SIZE:
        return None
    previous = read_header(data, segment.first)
    if previous is None:
        return Finding(chain.writer, segment.name, 0, segment.first, "the segment's header was changed")
    if chain.digest is None:
        chain.digest = previous
    elif previous != chain.digest and not chain.damaged:
        return Finding(chain.writer, segment.name, 0, segment.first, "the segment does not follow the one before it")
    return None


def _check_rest(segment: Segment, chain: Chain, data: bytes, offset: int, live: bool) -> Finding | None:
    """What stands behind the last record that can be told."""
    rest = data[offset:]
    if not rest or chain.damaged:
        return None
    if live and unfinished(rest, chain.seq + 1, chain.digest):
        return None
    whole = header_changed(rest, chain.seq + 1, chain.digest)
    return chain.damage(segment.name, offset, "the record's header was changed" if whole else UNFRAMED)
