"""Reads what writers, in this process or others, have appended."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

from tropism.storage.journal.records import Finding, Record
from tropism.storage.journal.segments import HEADER_SIZE, list_segments, read_header
from tropism.storage.journal.slots import slot_names
from tropism.storage.journal.verification import verify_slot
from tropism.storage.journal.walking import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class JournalReader:
    """A view of the journal in `root`. Needs no writer, and none needs to know of it.

    It remembers where it stands in each slot, so a look that finds nothing new costs a few `stat` calls; one
    reader serves one consumer, from one thread at a time.

    >>> import tempfile, pathlib
    >>> from tropism.storage.journal import JournalSettings, JournalWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = JournalWriter(pathlib.Path(folder), JournalSettings(fsync="os", reserve=0))
    ...     _ = writer.append([b"one", b"two"])
    ...     [record.payload for record in JournalReader(pathlib.Path(folder)).read({"w0": 1})]
    ...     writer.close()
    [b'two']
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._walks: dict[str, Walk] = {}
        self._tails: dict[str, Walk] = {}
        self._damaged: dict[tuple[str, str, int, int], Finding] = {}
        self._turn = 0

    @property
    def damaged(self) -> list[Finding]:
        """Damage that `read` has passed, each once."""
        return list(self._damaged.values())

    def heads(self) -> dict[str, int]:
        """Sequence number of the last intact record of each slot; 0 for a slot without any."""
        for name in slot_names(self._root):
            if name not in self._tails:
                # Hands out nothing: it only walks to the end, from the segment being written.
                self._tails[name] = Walk(self._root / name, after=1 << 63)
            self._tails[name].take(limit=1)
        return {name: walk.head for name, walk in self._tails.items()}

    def read(self, after: Mapping[str, int], limit: int = 10_000) -> list[Record]:
        """Complete records after each slot's position (0 when it has none), in order within a slot.

        Damaged records are left out and reported in `damaged`. The same positions give the same records until
        they are discarded.
        """
        names = slot_names(self._root) if limit > 0 else []
        records: list[Record] = []
        for index in range(len(names)):
            name = names[(self._turn + index) % len(names)]
            records += self._read_slot(name, after.get(name, 0), limit - len(records))
            if len(records) >= limit:
                # A busy slot must not keep the others waiting for ever.
                self._turn = (self._turn + index + 1) % len(names)
                break
        return records

    def _read_slot(self, name: str, after: int, limit: int) -> list[Record]:
        walk = self._walks.get(name)
        if walk is None or walk.after != after:
            walk = self._walks[name] = Walk(self._root / name, after)
        records = walk.take(limit)
        if not records and walk.passed < after:
            problem = f"position {after} is ahead of the journal, which ends at {walk.passed}: records were lost"
            walk.findings.append(Finding(name, "", 0, walk.passed + 1, problem))
        for finding in walk.findings:
            self._damaged.setdefault((finding.writer, finding.segment, finding.offset, finding.seq), finding)
        walk.findings.clear()
        return records

    def verify(self) -> list[Finding]:
        """Everything in the journal that is not as it was written. Reads all of it."""
        return [finding for name in slot_names(self._root) for finding in verify_slot(self._root / name)]

    def discard(self, upto: Mapping[str, int], before: int | None = None) -> int:
        """Remove whole segments that hold nothing after a slot's position; how many.

        The segment being written always stays. `before`: only segments last written before this time (µs since
        the epoch).
        """
        removed = 0
        for name in slot_names(self._root):
            segments = list_segments(self._root / name)
            for segment, following in pairwise(segments):
                if following.first - 1 > upto.get(name, 0) or not _begun(following.path, following.first):
                    break
                if before is not None and segment.path.stat().st_mtime_ns // 1_000 >= before:
                    break
                segment.path.unlink(missing_ok=True)
                removed += 1
        return removed


def _begun(path: Path, first: int) -> bool:
    """Whether the segment's header is written: without it, numbering and chain go on from the segment before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_header(os.pread(descriptor, HEADER_SIZE, 0), first) is not None
    finally:
        os.close(descriptor)
