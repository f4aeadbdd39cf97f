"""Settings of the lake."""

from __future__ import annotations

from typing import Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid


class LakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tables are kept.

    `keep_versions`: how long other tools can go back to an old version of a table. Tropism's own evidence does
    not need it: it reads by position, which works as long as the rows exist. Every commit leaves a log file for
    that long, and opening and writing slow down with their number (about 10 µs each), so at one commit a second
    keep it at some hours.
    `target_file_bytes`: size that compaction aims at. `compact_after`: small files that may gather before they
    are merged. `checkpoint_every`: commits between two checkpoints of the log.
    `durability`: what a commit survives: `power` syncs its files to the disk, `os` leaves that to the system.

    >>> LakeSettings().keep_versions
    '2h'
    """

    keep_versions: str = "2h"
    target_file_bytes: int = 64 * 1_048_576
    compact_after: int = 64
    checkpoint_every: int = 100
    durability: Literal["os", "power"] = "power"

    def __post_init__(self) -> None:
        faults = []
        try:
            if parse_duration(self.keep_versions, "lake.keep_versions") < parse_duration("1m"):
                fix = "use at least 1m: files that somebody is reading must not be deleted"
                faults.append(Fault("lake.keep_versions", self.keep_versions, fix))
        except InvalidInput as error:
            faults += error.faults
        for field, value, least in (
            ("target_file_bytes", self.target_file_bytes, 1_048_576),
            ("compact_after", self.compact_after, 2),
            ("checkpoint_every", self.checkpoint_every, 1),
        ):
            if value < least:
                faults.append(Fault(f"lake.{field}", str(value), f"use at least {least}"))
        if self.durability not in ("os", "power"):
            faults.append(Fault("lake.durability", repr(self.durability), "use 'os' or 'power'"))
        if faults:
            raise SettingInvalid("the lake's settings are not valid", *faults)

    @property
    def keep(self) -> int:
        """`keep_versions` in µs."""
        return parse_duration(self.keep_versions)
