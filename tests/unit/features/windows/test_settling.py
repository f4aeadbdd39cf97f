from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.features.windows.streams import Event, view
from tests.unit.features.windows.test_offline import event

from tropism.core.clock import SECOND, ManualClock
from tropism.features import agg
from tropism.features.windows import WindowStore


@settings(max_examples=60, deadline=None)
@given(st.lists(event().filter(lambda one: one["who"]), max_size=12), st.lists(st.integers(0, 3 * SECOND), max_size=4))
def test_settling_changes_no_value_and_ends_when_nothing_waits(events: list[Event], steps: list[int]) -> None:
    of, clock = view(), ManualClock(20 * SECOND)
    with TemporaryDirectory() as folder:
        stores = [WindowStore(Path(folder) / f"{name}.sqlite", clock, SECOND) for name in "ab"]
        for store in stores:
            store.apply([of], events, {"0": 1}, known=clock.now())
        names = sorted({one["who"] for one in events})
        for step in steps:
            clock.advance(step)
            stores[0].settle([of])
            first, second = (store.read(of, names, clock.now()) for store in stores)
            assert (first.values, first.known) == (second.values, second.known)
        clock.advance(1_000 * SECOND)
        assert stores[0].settle([of]) is False
        for store in stores:
            store.close()


def test_a_read_says_from_which_moment_on_it_is_exact(tmp_path: Path) -> None:
    of, clock = view(agg.count("10s")), ManualClock(5 * SECOND)
    store = WindowStore(tmp_path / "tiles.sqlite", clock, SECOND)
    assert store.read(of, ["x"], SECOND).since == 0
    store.apply([of], [{"who": "x", "at": 1}], {"0": 1})
    assert store.read(of, ["x"], SECOND).since == 4 * SECOND
    clock.advance(10 * SECOND)
    assert store.settle([of]) is False
    assert store.read(of, ["x"], SECOND).since == 14 * SECOND
    store.close()
