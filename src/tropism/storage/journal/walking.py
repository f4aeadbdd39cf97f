"""Reads one slot forward and remembers where it stands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tropism.storage.journal.chain import Chain
from tropism.storage.journal.framing import HEADER, UNFRAMED, Frame, appends
from tropism.storage.journal.records import Finding, Record
from tropism.storage.journal.segments import HEADER_SIZE, Listing, Segment

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1_048_576


class _Basket:
    """What one call collects."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.records: list[Record] = []

    @property
    def full(self) -> bool:
        return len(self.records) >= self.limit


class Walk:
    """A place in a slot. `after`: the last record that was handed out, or need not be.

    An append is handed out only when it is whole, and nothing beyond it is remembered before that: what an
    append left behind that was cut short may still be taken back by its writer.
    """

    def __init__(self, folder: Path, after: int) -> None:
        self.after = after
        self.head = 0
        """Last intact record passed."""
        self.findings: list[Finding] = []
        self._writer = folder.name
        self._listing = Listing(folder)
        self._segment: Segment | None = None
        self._offset = 0
        self._chain = Chain(folder.name, 0, None)

    @property
    def passed(self) -> int:
        """Last record passed, damaged or not."""
        return self._chain.seq

    def take(self, limit: int) -> list[Record]:
        """The next records, at most `limit`. Findings about what lies between are added to `findings`."""
        basket = _Basket(limit)
        while not basket.full:
            segments = self._listing.segments()
            segment = self._locate(segments)
            if segment is None:
                break
            try:
                sealed = _sealed(segment, segments)
                self._read(segment, sealed, basket)
            except FileNotFoundError:
                # Discarded under us: the next listing no longer has it, and the walk goes on behind it.
                self._listing.forget()
                continue
            if basket.full or not sealed:
                break
            following = next(one for one in segments if one.first > segment.first)
            self._note(self._chain.enter(following))
            self._move(following)
        return basket.records

    def _locate(self, segments: list[Segment]) -> Segment | None:
        """The segment to read on in: where the walk stands, or the first one still there behind it."""
        here = self._segment
        if here is None:
            before = [one for one in segments if one.first <= self.after + 1]
            found = before[-1:] or segments[:1]
        else:
            found = [one for one in segments if one.first >= here.first][:1]
        if not found:
            return None
        if found[0] != here:
            if 0 < self.after < found[0].first - 1:
                problem = f"records {self.after + 1} to {found[0].first - 1} were discarded before they were read"
                self.findings.append(Finding(self._writer, found[0].name, 0, self.after + 1, problem))
            self._chain = Chain(self._writer, found[0].first - 1, None)
            self.head = max(self.head, found[0].first - 1)
            self._move(found[0])
        return found[0]

    def _move(self, segment: Segment) -> None:
        self._segment, self._offset = segment, HEADER_SIZE

    def _note(self, finding: Finding | None) -> None:
        if finding is not None and finding.seq > self.after:
            self.findings.append(finding)

    def _read(self, segment: Segment, sealed: bool, basket: _Basket) -> None:
        """Read on in a segment, until the basket is full or nothing more can be told."""
        if segment.path.stat().st_size <= self._offset:
            return
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            left = self._chunks(descriptor, segment, sealed, basket)
        finally:
            os.close(descriptor)
        if sealed and left and not basket.full and not self._chain.damaged:
            self._note(self._chain.damage(segment.name, self._offset, UNFRAMED))

    def _chunks(self, descriptor: int, segment: Segment, sealed: bool, basket: _Basket) -> int:
        """Read chunk after chunk; the bytes left over behind the last whole append."""
        size, settled = CHUNK, sealed
        while True:
            start = self._offset
            data = os.pread(descriptor, size, start)
            complete = len(data) < size
            sure = self._absorb(data, segment, (complete, sealed, settled), basket)
            moved = self._offset - start
            if basket.full or (complete and sure):
                return len(data) - moved
            # A writer may take bytes back while they are read: damage in a live segment is looked at twice.
            settled = sealed or (not moved and (settled or not sure))
            if moved:
                size = CHUNK
            elif sure:
                size *= 4  # the append is larger than the chunk

    def _absorb(self, data: bytes, segment: Segment, state: tuple[bool, bool, bool], basket: _Basket) -> bool:
        """Pass the whole appends in `data`; false at damage that must be looked at again."""
        complete, sealed, settled = state
        base = self._offset
        for group, sound in appends(data, complete, sealed):
            if not (sound or settled):
                return False
            for frame in group:
                if basket.full:
                    return True
                self._pass(frame, data, segment, base, basket)
        return True

    def _pass(self, frame: Frame, data: bytes, segment: Segment, base: int, basket: _Basket) -> None:
        intact, finding = self._chain.follow(frame, segment.name, base + frame.offset)
        if finding is not None:
            self._note(finding)
        self._offset = base + frame.end
        if intact:
            self.head = frame.seq
            if frame.seq > self.after:
                payload = data[frame.offset + HEADER.size : frame.end]
                basket.records.append(Record(self._writer, frame.seq, payload))
                self.after = frame.seq


def _sealed(segment: Segment, segments: list[Segment]) -> bool:
    """Whether nothing will be appended to a segment any more: the next one is begun.

    A next one without its header does not count. Its creation failed or was cut short, and its writer may go
    on in this one.
    """
    later = [one for one in segments if one.first > segment.first][:2]
    return len(later) > 1 or (bool(later) and later[0].path.stat().st_size >= HEADER_SIZE)
