"""What `tropism doctor` verifies: artifacts, audit trail, journal, champions, and the machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import IntegrityError, NotFound, TropismError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.wiring import Platform

_LEAST_SPACE = 1 << 30


class Check(NamedTuple):
    """One check: what it looked at, and everything wrong that it found."""

    name: str
    summary: str
    findings: tuple[str, ...]


def verify(platform: Platform) -> tuple[Check, ...]:
    """Every check, in the order in which a fault would matter. One that cannot be made is a finding too."""
    checks = (_artifacts, _champions, _audit, _journal, _disk)
    return tuple(_made(check, platform) for check in checks)


def _made(check: Callable[[Platform], Check], platform: Platform) -> Check:
    try:
        return check(platform)
    except TropismError as error:
        return Check(check.__name__.removeprefix("_"), "could not be checked", (str(error),))


def _artifacts(platform: Platform) -> Check:
    from tropism.learners.artifact import load
    from tropism.registry.tombstones import deleted

    gone = deleted(platform.registry.db)
    versions = [one for one in platform.registry.versions.list() if (one.model, one.version) not in gone]
    findings = []
    for one in versions:
        try:
            load(one.artifact, platform.blobs)
        except (IntegrityError, NotFound) as error:
            findings.append(f"{one.model} version {one.version}: {error}")
    count = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
    return Check("artifacts", f"{count} loaded, every hash and format checked", tuple(findings))


def _champions(platform: Platform) -> Check:
    live = platform.registry.aliases.snapshot()
    known = {(one.model, one.version) for one in platform.registry.versions.list()}
    findings = [
        f"{one.model}: champion {one.champion} is not registered"
        for one in live
        if (one.model, one.champion) not in known
    ]
    names = [one.model for one in live]
    findings += [f"{name} has {names.count(name)} champions" for name in set(names) if names.count(name) > 1]
    return Check("champions", f"{len(live)} live", tuple(findings))


def _audit(platform: Platform) -> Check:
    findings = tuple(f"audit row {one.seq}: {one.problem}" for one in platform.registry.audit.verify())
    return Check("audit", f"chain of {platform.registry.audit.head().seq} rows", findings)


def _journal(platform: Platform) -> Check:
    from tropism.storage.journal import JournalReader

    reader = JournalReader(platform.journal_folder)
    findings = tuple(
        f"journal {one.writer}/{one.segment} at byte {one.offset}, record {one.seq}: {one.problem}"
        for one in reader.verify()
    )
    return Check("journal", f"{sum(reader.heads().values())} records", findings)


def _disk(platform: Platform) -> Check:
    free = shutil.disk_usage(platform.settings.folder).free
    low = (
        (f"{free / 2**20:.0f} MiB free: make room, or the journal will refuse predictions",)
        if free < _LEAST_SPACE
        else ()
    )
    return Check("disk", f"{free / 2**30:.0f} GiB free", low)
