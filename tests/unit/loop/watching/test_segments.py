from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.core.clock import SECOND
from tropism.loop.watching.history import levels_name
from tropism.loop.watching.rounds import evidence_of
from tropism.monitoring.watch.monitor import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Place]


def traffic(place: Place, count: int, *, start: int = START, shifted: str = "") -> int:
    """Minutes of 100 rows; those where `c` is `shifted` have another `a`. When they are in the lake."""
    end = start + count * MINUTE
    rows = place.rows(count * 100)
    rows["a"] = rows["a"] + 2.0 * (rows["c"] == shifted)
    place.served(times(start, end, count * 100), rows)
    return end + 10 * SECOND


def test_drift_within_a_segment_is_found_there(place: Make) -> None:
    one = place(task_of(segments=("c", "large: b > 1")))
    one.begun(20_000)
    found = one.look(traffic(one, 10))
    assert sorted(found.segments) == ["c = x", "c = y", "c = z", "large"]
    assert all(monitor.score < 0.5 for monitor in found.segments.values())
    assert sum(found.segments[name].rows for name in ("c = x", "c = y", "c = z")) == 1_000
    found = one.look(traffic(one, 10, start=START + 10 * MINUTE, shifted="z"))
    assert found.segments["c = z"].score >= 0.8
    assert found.segments["c = z"].causes[0] == "a"
    assert max(found.segments[name].score for name in ("c = x", "c = y")) < 0.5
    assert one.platform.watch.known(one.task).segments == found.segments
    told = evidence_of(found)["segments"]
    assert (told[0]["segment"], told[0]["features"][0]) == ("c = z", "a")


def test_segments_share_a_part_of_the_budget(place: Make) -> None:
    one = place(task_of(segments=("c",)))
    one.begun()
    found = one.look(traffic(one, 1))
    monitors = [*found.monitors.values(), *found.segments.values()]
    assert len(found.segments) == 3
    assert set(found.segments["c = x"].columns) == {"a", "b"}
    spent = sum(1 / monitor.run_length for monitor in monitors) * 30 * 24 * 60
    assert np.isclose(spent, 0.5)  # predictions and the loss, with a quarter each, are not there yet


def test_windows_of_segments_are_in_the_lake_once(place: Make) -> None:
    one = place(task_of(segments=("c",)))
    one.begun()
    for minute in range(1, 5):
        now = traffic(one, 1, start=START + (minute - 1) * MINUTE)
        one.look(now)
        one.look(now)
    table = one.platform.lake.read(levels_name("price"))
    for name in ("c = x", "c = y", "c = z"):
        own = table.filter(pc.equal(table["subject"], f"features/1/{name}"))
        assert own.num_rows == len(pc.unique(own["at"])) == 4
    one.second().look(one.task, now)
    assert one.platform.lake.read(levels_name("price")).num_rows == table.num_rows


def test_a_segment_that_cannot_be_watched_says_why_and_harms_no_other(place: Make) -> None:
    one = place(task_of(segments=("c", "b", "rare: a > 4", "broken: nothing > 4")))
    one.begun()
    found = one.look(traffic(one, 2))
    assert len(found.segments) == 3
    assert found.without == {
        "b": "a number is watched by a rule, such as big: b > 1",
        "rare": "there are too few rows to compare with",
        "broken: nothing > 4": "this is no segment",
    }
    assert found.monitors["features"].windows == 2


def test_other_segments_are_watched_from_the_next_look_on(place: Make) -> None:
    one = place(task_of(segments=("c",)))
    one.begun()
    one.look(traffic(one, 2))
    one.change(task_of(segments=("large: b > 1",)))
    assert one.platform.watch.known(one.task).segments == {}
    found = one.look(traffic(one, 2, start=START + 2 * MINUTE))
    assert set(found.segments) == {"large"}
    assert opened(found.segments["large"].reference).origin.endswith("was trained, those of large")


def test_sixteen_segments_at_most(place: Make) -> None:
    rules = tuple(f"s{k}: a > {k / 100}" for k in range(20))
    one = place(task_of(segments=rules))
    one.begun()
    found = one.look(traffic(one, 1))
    assert sorted(found.segments) == sorted(f"s{k}" for k in range(16))
    assert found.without["s19"] == "only 16 segments are watched"
