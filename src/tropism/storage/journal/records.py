"""What the journal hands out: records, and findings about damage."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One record. `seq` counts from 1 without gaps within a writer's slot, across segments and restarts."""

    writer: str
    seq: int
    payload: bytes


class Finding(NamedTuple):
    """Something that is not as it was written: slot, segment file, byte offset in it, first record concerned."""

    writer: str
    segment: str
    offset: int
    seq: int
    problem: str
