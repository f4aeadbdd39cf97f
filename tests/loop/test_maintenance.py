"""Compaction and retention: state shrinks, and what decisions rest on stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.clock import DAY
from tropism.loop.maintenance import maintain
from tropism.loop.recompute import recompute
from tropism.storage.journal import JournalReader

if TYPE_CHECKING:
    from collections.abc import Callable


def test_small_files_are_merged_and_evidence_stays(world: Callable[..., Any]) -> None:
    here = world()
    here.run(300)
    here.sign = -1
    here.run(700, every=10)
    platform = here.platform
    files = platform.settings.folder / "lake" / "world" / "predictions"
    before = len(list(files.glob("*.parquet")))
    rows = platform.lake.read("world/predictions", columns=["id"]).num_rows
    leftover = platform.settings.folder / "work" / "old"
    leftover.mkdir(parents=True)

    maintain(
        lake=platform.lake,
        journal=JournalReader(platform.journal_folder),
        registry=platform.registry,
        workflows=here.workflows,
        work=platform.settings.folder / "work",
        keep=0,
        now=platform.real.now() + 8 * DAY,
    )

    assert before > 64
    assert platform.lake.read("world/predictions", columns=["id"]).num_rows == rows
    assert not leftover.exists()
    paired = [
        one for one in platform.registry.decisions.list("world", 1_000) if one.evidence.get("comparison") == "paired"
    ]
    assert paired
    assert all(recompute(here.services, one).agrees for one in paired[:5])
    here.run(50)
