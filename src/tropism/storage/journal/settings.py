"""Settings of the journal."""

from __future__ import annotations

from typing import Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How records are kept.

    `fsync`: `group` acknowledges when the disk has the record (survives a power cut; one fsync for all who wait),
    `os` when the operating system has it (survives a killed process, not a power cut). `segment_bytes`: size at
    which a new segment file is begun. `reserve`: bytes that must stay free on the disk for an append to be
    taken. `keep`: how long segments stay after they were ingested.

    >>> JournalSettings(fsync="os").keep
    '1d'
    """

    fsync: Literal["group", "os"] = "group"
    segment_bytes: int = 64 * 1_048_576
    reserve: int = 16 * 1_048_576
    keep: str = "1d"

    def __post_init__(self) -> None:
        faults = []
        if self.segment_bytes < 4_096:
            faults.append(Fault("journal.segment_bytes", str(self.segment_bytes), "use at least 4096"))
        if self.reserve < 0:
            faults.append(Fault("journal.reserve", str(self.reserve), "use 0 or more bytes"))
        try:
            parse_duration(self.keep, "journal.keep")
        except InvalidInput as error:
            faults += error.faults
        if faults:
            raise SettingInvalid("the journal's settings are not valid", *faults)
