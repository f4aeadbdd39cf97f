from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.monitoring import Monitoring
from tropism.core.task import Kind
from tropism.loop.viewing.segments import worst_segments

Make = Callable[..., Any]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_segment_that_fares_worse_surfaces_by_itself(stand: Make, kind: Kind) -> None:
    one = stand(kind, monitoring=Monitoring(segments=("c", "low: a < 0")))
    version = one.train()
    one.serve(800)
    one.serve(200, unlike=1.0, c="odd")
    one.look()
    view: Any = worst_segments(one.sources, "world")
    assert (view.version, view.rows, view.waiting) == (version, 1_000, "")
    assert "c = odd" in view.worst.worst[0].name
    assert {segment.name for segment in view.declared} == {"c = x", "c = y", "c = z", "c = odd", "low"}


def test_only_the_newest_rows_of_the_champion_are_looked_at(stand: Make) -> None:
    one = stand()
    one.serve(200)
    one.train()
    one.serve(300)
    one.look()
    assert worst_segments(one.sources, "world").rows == 300
    assert worst_segments(one.sources, "world", rows=120).rows == 120


def test_too_few_rows_are_told(stand: Make) -> None:
    one = stand()
    assert worst_segments(one.sources, "world").waiting == "0 of the 100 matured predictions that it takes are there"
    one.imported(200)
    one.look()
    assert worst_segments(one.sources, "world").worst is None
