"""Keeps a project's state from growing without end. Everything here is safe to stop at any point and to repeat."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tropism.core.clock import DAY
from tropism.core.events import CURSOR

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.loop.durable import Workflows
    from tropism.registry import Registry
    from tropism.storage.journal import JournalReader
    from tropism.storage.lake import Lake

_KEEP_JOBS = 7 * DAY
_KEEP_WORKFLOWS = 1_000


def maintain(
    *, lake: Lake, journal: JournalReader, registry: Registry, workflows: Workflows, work: Path, keep: int, now: int
) -> None:
    """One round: merge small files, let old versions go, drop ingested journal segments and ended jobs.

    `keep`: how long (µs) journal segments stay after they were ingested. `now`: µs, of the machine's clock.
    """
    for name in lake.names():
        lake.maintain(name)
    journal.discard(registry.progress.get(CURSOR) or {}, before=now - keep)
    registry.jobs.forget(now - _KEEP_JOBS)
    workflows.forget(_KEEP_WORKFLOWS)
    for folder in work.glob("*"):
        if folder.stat().st_mtime_ns // 1_000 < now - _KEEP_JOBS:
            shutil.rmtree(folder, ignore_errors=True)
