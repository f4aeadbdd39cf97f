"""How records lie in a segment file.

A record is a header of 36 bytes and its payload, little-endian:

    digest     8   BLAKE2b of everything after it: the rest of the header and the payload
    magic      4   not valid UTF-8, so no text holds it
    length     4   of the payload
    seq        8
    remaining  4   records that follow in the same append; an append counts only when its 0 is there
    previous   8   digest of the record before

Each record can be judged alone, so damage to one never hides another; `previous` ties it to its place, so a
record that was exchanged, moved or removed shows too. The chain is not keyed: it finds damage and edits, not
somebody who rewrites every record to the end.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAGIC = b"\xf7TJ\x01"
HEADER = struct.Struct("<8s4sIQI8s")
DIGEST = 8
MAX_PAYLOAD = 1 << 30
_BODY = struct.Struct("<4sIQI8s")
_MAGIC_END = DIGEST + len(MAGIC)

CHANGED = "the checksum does not match"
UNFRAMED = "these bytes are no record"


class Frame(NamedTuple):
    """Where a record lies in the bytes scanned; `problem` is empty when it is what was written."""

    offset: int
    end: int
    seq: int
    remaining: int
    previous: bytes
    digest: bytes
    problem: str


def digest_of(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST).digest()


def pack(payloads: Sequence[bytes], seq: int, previous: bytes) -> tuple[bytes, bytes]:
    """The bytes of one append whose last record before was `seq`, and the digest of its last record.

    >>> data, last = pack([b"a", b"bc"], 0, bytes(8))
    >>> [(frame.seq, frame.remaining, data[frame.offset + HEADER.size : frame.end]) for frame in scan(data, 0, True)]
    [(1, 1, b'a'), (2, 0, b'bc')]
    """
    parts: list[bytes] = []
    remaining = len(payloads)
    for payload in payloads:
        seq += 1
        remaining -= 1
        body = _BODY.pack(MAGIC, len(payload), seq, remaining, previous) + payload
        previous = blake2b(body, digest_size=DIGEST).digest()
        parts += (previous, body)
    return b"".join(parts), previous


def scan(data: bytes, start: int, complete: bool) -> Iterator[Frame]:
    """Frames in `data` from `start`, damaged stretches among them, as far as they can be told.

    Stops where the rest could still be the beginning of a record. `complete`: the file ends where `data` ends.
    """
    position, size = start, len(data)
    unpack, header = HEADER.unpack_from, HEADER.size
    while position + header <= size:
        digest, magic, length, seq, remaining, previous = unpack(data, position)
        end = position + header + length
        fits = magic == MAGIC and end <= size
        if fits and blake2b(data[position + DIGEST : end], digest_size=DIGEST).digest() == digest:
            yield Frame(position, end, seq, remaining, previous, digest, "")
            position = end
            continue
        if magic == MAGIC and not complete and end + _MAGIC_END > size:
            return
        framed = fits and _framed(data, end)
        # A length that was changed can point at the boundary of a later record: look inside first.
        found = _next_intact(data, position + 1, end if framed else size)
        if found >= 0:
            yield Frame(position, found, 0, 0, b"", b"", UNFRAMED)
            position = found
        elif framed:
            yield Frame(position, end, seq, remaining, previous, digest, CHANGED)
            position = end
        else:
            return


def appends(data: bytes, complete: bool, final: bool) -> Iterator[tuple[list[Frame], bool]]:
    """Frames in `data`, grouped by append, and whether nothing in the group is damaged.

    Only appends that are whole, as their last record or anything written after them shows. `final`: nothing
    will be added to the file, so what is left at the end comes too.
    """
    group: list[Frame] = []
    sound, last = True, 0
    for frame in scan(data, 0, complete):
        if frame.problem:
            sound = False
        elif group and frame.seq > last:
            yield group, sound
            group, sound = [], True
        group.append(frame)
        if frame.problem:
            continue
        last = frame.seq + frame.remaining
        if frame.remaining == 0:
            yield group, sound
            group, sound = [], True
    if group and complete and final:
        yield group, sound


def _framed(data: bytes, end: int) -> bool:
    """A record ends here, by what follows: another's magic, or too little to tell."""
    return len(data) < end + _MAGIC_END or data[end + DIGEST : end + _MAGIC_END] == MAGIC


def _next_intact(data: bytes, start: int, stop: int) -> int:
    """Offset of the first intact record that lies in `data[start:stop]`, or -1."""
    found = data.find(MAGIC, start + DIGEST, stop)
    while found >= 0:
        offset = found - DIGEST
        if offset + HEADER.size <= stop:
            digest, _, length, _, _, _ = HEADER.unpack_from(data, offset)
            end = offset + HEADER.size + length
            if end <= stop and digest_of(data[offset + DIGEST : end]) == digest:
                return offset
        found = data.find(MAGIC, found + 1, stop)
    return -1


def header_changed(rest: bytes, seq: int, previous: bytes | None) -> bool:
    """Whether `rest` is the whole last record with only its header changed.

    Tells a finished record that was tampered with from one that was cut short: with the header it must have
    had, its digest fits again.
    """
    if len(rest) < HEADER.size:
        return False
    digest, payload = rest[:DIGEST], rest[HEADER.size :]
    stored = rest[HEADER.size - DIGEST : HEADER.size]
    return any(
        digest_of(_BODY.pack(MAGIC, len(payload), seq, 0, link) + payload) == digest
        for link in {stored, previous or stored}
    )


def unfinished(rest: bytes, seq: int, previous: bytes | None) -> bool:
    """Whether `rest` is what an append that was cut short leaves: the beginning of record `seq`.

    >>> data, last = pack([b"payload"], 0, bytes(8))
    >>> unfinished(data[:-1], 1, bytes(8)), unfinished(b"x" * 40, 1, bytes(8))
    (True, False)
    """
    if not MAGIC.startswith(rest[DIGEST:_MAGIC_END]):
        return False
    if len(rest) < HEADER.size:
        return True
    _, _, length, stored_seq, _, link = HEADER.unpack_from(rest)
    in_place = stored_seq == seq and previous in (None, link)
    return in_place and HEADER.size + length > len(rest) and not header_changed(rest, seq, previous)
