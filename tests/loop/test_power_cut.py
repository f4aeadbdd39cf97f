"""A journal that lost records which the lake has, as a power cut can leave it with `journal.fsync = "os"`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable


def test_new_records_are_not_taken_for_old_ones(world: Callable[..., Any]) -> None:
    here = world()
    here.live(20)
    here.platform.ingest()
    here._journal.close()
    shutil.rmtree(here.platform.journal_folder / "w0")

    here._journal = here.platform.journal()
    assert here._journal.name == "w1"
    here.live(5)
    here.platform.ingest()
    predictions = here.platform.lake.read("world/predictions", columns=["id"])["id"]
    assert (len(predictions), pc.count_distinct(predictions).as_py()) == (25, 25)
