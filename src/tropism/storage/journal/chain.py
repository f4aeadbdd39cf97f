"""Follows the records of one slot and says what is wrong with the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.storage.journal.records import Finding

if TYPE_CHECKING:
    from tropism.storage.journal.framing import Frame
    from tropism.storage.journal.segments import Segment


class Chain:
    """Sequence and digest of the last record passed.

    A damaged stretch accounts for one record; whatever else is missing before the next intact record is a
    finding of its own.
    """

    def __init__(self, writer: str, seq: int, digest: bytes | None) -> None:
        self.writer = writer
        self.seq = seq
        self.digest = digest
        """Stored digest of the last record; None when it is not known or not to be believed."""
        self.damaged = False
        """The last thing passed was damage, not a record."""
        self._last = ("", 0)

    def follow(self, frame: Frame, segment: str, offset: int) -> tuple[bool, Finding | None]:
        """Whether the record at `offset` is to be handed out, and what is wrong here, if anything is."""
        if frame.problem:
            return False, self.damage(segment, offset, frame.problem, frame.digest or None)
        finding = None
        if frame.seq < self.seq + 1 and not (self.damaged and frame.seq == self.seq):
            return False, Finding(self.writer, segment, offset, frame.seq, "the record stands here a second time")
        if frame.seq > self.seq + 1:
            finding = self._missing(segment, offset, frame.seq)
        elif self.digest is not None and not self.damaged and frame.previous != self.digest:
            finding = self._exchanged(segment, offset, frame.seq)
        self.seq, self.digest, self.damaged = frame.seq, frame.digest, False
        self._last = (segment, offset)
        return True, finding

    def damage(self, segment: str, offset: int, problem: str, digest: bytes | None = None) -> Finding:
        """Pass a damaged stretch that stands where the next record should be."""
        self.seq += 1
        self.digest = digest
        self.damaged = True
        return Finding(self.writer, segment, offset, self.seq, problem)

    def enter(self, segment: Segment) -> Finding | None:
        """Go on with the next segment."""
        finding = self._missing(segment.name, 0, segment.first) if segment.first > self.seq + 1 else None
        if segment.first != self.seq + 1:
            self.digest = None
        self.seq = segment.first - 1
        return finding

    def _missing(self, segment: str, offset: int, found: int) -> Finding:
        first, last = self.seq + 1, found - 1
        what = f"record {first} is missing" if first == last else f"records {first} to {last} are missing"
        return Finding(self.writer, segment, offset, first, what)

    def _exchanged(self, segment: str, offset: int, seq: int) -> Finding:
        """The record before is intact in itself, but not the one that this one was written after."""
        before, at = self._last if self._last[0] else (segment, offset)
        return Finding(self.writer, before, at, seq - 1, f"not the record that record {seq} was written after")
